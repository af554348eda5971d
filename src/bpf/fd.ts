import { closeSync, readlinkSync, unlinkSync } from 'node:fs';

import { Errno } from '../errors';
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

/** What the kernel calls a file descriptor of each kind; links are `bpf_link`, since Linux 6.12 or so `bpf-link`. */
const KINDS = { map: /bpf-map/, program: /bpf-prog/, link: /bpf.link/ } as const;

/** Opens what is pinned at a path; EINVAL if it is of another kind, whose facts would be taken for those of this one. */
export function openPin(path: string, what: 'map' | 'program' | 'link'): number {
  checkPath(path);
  const context = { operation: 'bpf_obj_get', subject: `${what} ${path}` };
  const fd = check(libbpf.bpf_obj_get(path), context);
  const kind = readlinkSync(`/proc/self/fd/${fd}`);
  if (KINDS[what].test(kind)) return fd;
  closeSync(fd);
  throw systemError(Errno.EINVAL, { ...context, hint: `it is ${kind.replace('anon_inode:', '')}` });
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
