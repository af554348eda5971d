import { closeSync, openSync, readlinkSync, unlinkSync } from 'node:fs';

import { BpfError, Errno, exhausted, NotSupportedError } from '../errors';
import { check, checkErrno, libbpf, libc, systemError } from '../native';

/** Runs `build` with a fresh file descriptor and closes it if that fails: constructors leave nothing behind. */
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

/** Another file descriptor for the same object, independent of the first. */
export function duplicateFd(fd: number, subject: string): number {
  return checkErrno(() => libc.fcntl(fd, F_DUPFD_CLOEXEC, 0), { operation: 'fcntl', subject });
}

/**
 * Throws EMFILE if this process cannot have so many file descriptors more: what fails for want of one in the midst of a
 * load is told by libbpf and the verifier as something else.
 */
export function requireFds(count: number, subject: string): void {
  const fds: number[] = [];
  try {
    fds.push(openSync('/dev/null', 'r'));
    while (fds.length < count) fds.push(duplicateFd(fds[0]!, subject));
  } catch (error) {
    const { errno } = exhausted(error) ?? {};
    if (errno === undefined) throw error;
    const hint = `it takes ${count} more file descriptors: raise the limit of open files (RLIMIT_NOFILE: ulimit -n, LimitNOFILE= of systemd)`;
    throw new BpfError('ERR_BPF_SYSTEM_CALL', { errno, operation: 'bpf_object__load', subject, hint, cause: error });
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** What the kernel calls a file descriptor of each kind; links are `bpf_link`, since Linux 6.12 or so `bpf-link`. */
const KINDS = { map: /bpf-map/, program: /bpf-prog/, link: /bpf.link/ } as const;

/**
 * Opens what is pinned at a path; EINVAL if it is of another kind, whose facts would be taken for those of this one.
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

/** Pins an object of the kernel at a path. */
export function pinFd(fd: number, path: string, label: string): void {
  checkPath(path);
  check(libbpf.bpf_obj_pin(fd, path), { operation: 'bpf_obj_pin', subject: `${label} at ${path}` });
}

/** Removes a pin; does nothing when it is gone. */
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
    throw new TypeError('a path is needed, as a text that is not empty');
  }
}
