import { closeSync, openSync, readlinkSync, unlinkSync } from 'node:fs';

import { BpfError, Errno, exhausted, NotSupportedError } from '../errors';
import { check, checkErrno, libbpf, libc, systemError } from '../native';

/**
 * Calls `build` with a new file descriptor, and closes it if `build` throws. So a constructor that fails leaks nothing.
 *
 * @param fd - file descriptor that the result will own
 * @param build - creates the result
 * @returns the result of `build`
 * @throws Error (of `build`) if it throws
 */
export function closeOnError<T>(fd: number, build: (fd: number) => T): T {
  try {
    return build(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** F_DUPFD_CLOEXEC of linux/fcntl.h. */
const F_DUPFD_CLOEXEC = 1030;

/**
 * Duplicates a file descriptor.
 *
 * @param fd - file descriptor to duplicate
 * @param subject - name of the object, for error messages
 * @returns a file descriptor of the same object, with FD_CLOEXEC set. The caller closes it
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function duplicateFd(fd: number, subject: string): number {
  return checkErrno(() => libc.fcntl(fd, F_DUPFD_CLOEXEC, 0), { operation: 'fcntl', subject });
}

/**
 * Checks that this process can open more file descriptors. If they run out during a load, libbpf and the verifier
 * report it as something else.
 *
 * @param count - number of file descriptors that are needed
 * @param subject - name of the object, for error messages
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if there are not enough; errnoName is `'EMFILE'`, `'ENFILE'` or `'ENOMEM'`
 */
export function requireFds(count: number, subject: string): void {
  const fds: number[] = [];
  try {
    fds.push(openSync('/dev/null', 'r'));
    while (fds.length < count) fds.push(duplicateFd(fds[0]!, subject));
  } catch (error) {
    const { errno } = exhausted(error) ?? {};
    if (errno === undefined) throw error;
    const hint = `loading needs ${count} more file descriptors: raise the limit of open files (RLIMIT_NOFILE: ulimit -n, LimitNOFILE= of systemd)`;
    throw new BpfError('ERR_BPF_SYSTEM_CALL', { errno, operation: 'bpf_object__load', subject, hint, cause: error });
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** Link target in /proc/self/fd by type. For links it is `bpf_link` on Linux 6.1, 6.12, 6.18 and 7.3. */
const KINDS = { map: /bpf-map/, program: /bpf-prog/, link: /bpf.link/ } as const;

/**
 * Opens a pin. A pin of another type is refused with EINVAL, because its properties would be misread.
 *
 * @param path - path of the pin
 * @param what - expected type
 * @returns a file descriptor. The caller closes it
 * @throws TypeError if the path is not a non-empty string
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the pin cannot be opened; errnoName is `'ENOENT'` if nothing is pinned
 * there, and `'EINVAL'` if the pin is not a object of that type
 * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
 * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if /proc is not mounted
 * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
 */
export function openPin(path: string, what: 'map' | 'program' | 'link'): number {
  checkPath(path);
  const context = { operation: 'bpf_obj_get', subject: `${what} ${path}` };
  const fd = check(libbpf.bpf_obj_get(path), context);
  const kind = closeOnError(fd, kindOf);
  if (KINDS[what].test(kind)) return fd;
  closeSync(fd);
  throw systemError(Errno.EINVAL, { ...context, hint: `it is ${kind.replace('anon_inode:', '')}` });
}

function kindOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch (cause) {
    throw new NotSupportedError('opening pins without /proc', { cause, hint: 'mount it: mount -t proc proc /proc' });
  }
}

/**
 * Pins a kernel object to a path.
 *
 * @param fd - file descriptor of the object
 * @param path - path of the pin
 * @param label - name of the object, for error messages
 * @throws TypeError if the path is not a non-empty string
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function pinFd(fd: number, path: string, label: string): void {
  checkPath(path);
  check(libbpf.bpf_obj_pin(fd, path), { operation: 'bpf_obj_pin', subject: `${label} at ${path}` });
}

/**
 * Removes a pin. Does nothing if it does not exist.
 *
 * @param path - path of the pin
 * @throws TypeError if the path is not a non-empty string
 */
export function unpinPath(path: string): void {
  checkPath(path);
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function checkPath(path: unknown): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new TypeError('path: a non-empty string is needed');
  }
}
