/**
 * Names and descriptions of the Linux error numbers that bpf(2), the cgroup file system and libbpf return. The numbers
 * are those of asm-generic/errno.h, which x86-64 and arm64 share.
 */

const TABLE: ReadonlyArray<readonly [number, string, string]> = [
  [1, 'EPERM', 'operation not permitted'],
  [2, 'ENOENT', 'no such file, key or object'],
  [3, 'ESRCH', 'no such process'],
  [4, 'EINTR', 'interrupted system call'],
  [5, 'EIO', 'input/output error'],
  [7, 'E2BIG', 'argument list or map too big'],
  [8, 'ENOEXEC', 'exec format error'],
  [9, 'EBADF', 'bad file descriptor'],
  [11, 'EAGAIN', 'resource temporarily unavailable'],
  [12, 'ENOMEM', 'out of memory'],
  [13, 'EACCES', 'permission denied'],
  [14, 'EFAULT', 'bad address'],
  [16, 'EBUSY', 'device or resource busy'],
  [17, 'EEXIST', 'already exists'],
  [18, 'EXDEV', 'cross-device link'],
  [19, 'ENODEV', 'no such device'],
  [20, 'ENOTDIR', 'not a directory'],
  [21, 'EISDIR', 'is a directory'],
  [22, 'EINVAL', 'invalid argument'],
  [23, 'ENFILE', 'too many open files in the system'],
  [24, 'EMFILE', 'too many open files'],
  [27, 'EFBIG', 'file too large'],
  [28, 'ENOSPC', 'no space left'],
  [30, 'EROFS', 'read-only file system'],
  [32, 'EPIPE', 'broken pipe'],
  [34, 'ERANGE', 'result out of range'],
  [36, 'ENAMETOOLONG', 'file name too long'],
  [38, 'ENOSYS', 'system call not implemented'],
  [40, 'ELOOP', 'too many levels of symbolic links'],
  [61, 'ENODATA', 'no data available'],
  [71, 'EPROTO', 'protocol error'],
  [75, 'EOVERFLOW', 'value too large'],
  [88, 'ENOTSOCK', 'not a socket'],
  [90, 'EMSGSIZE', 'message too long'],
  [92, 'ENOPROTOOPT', 'protocol option not available'],
  [93, 'EPROTONOSUPPORT', 'protocol not supported'],
  [95, 'EOPNOTSUPP', 'operation not supported'],
  [97, 'EAFNOSUPPORT', 'address family not supported'],
  [98, 'EADDRINUSE', 'address already in use'],
  [99, 'EADDRNOTAVAIL', 'address not available'],
  [104, 'ECONNRESET', 'connection reset by peer'],
  [105, 'ENOBUFS', 'no buffer space available'],
  [106, 'EISCONN', 'already connected'],
  [107, 'ENOTCONN', 'not connected'],
  [110, 'ETIMEDOUT', 'timed out'],
  [111, 'ECONNREFUSED', 'connection refused'],
  [116, 'ESTALE', 'stale file handle'],
  // Internal to the kernel, but bpf(2) returns it for operations that a map type does not have.
  [524, 'ENOTSUPP', 'operation not supported'],
  // Error numbers of libbpf itself: enum libbpf_errno in libbpf_legacy.h.
  [4000, 'LIBBPF_ERRNO__LIBELF', 'libelf failed'],
  [4001, 'LIBBPF_ERRNO__FORMAT', 'not a valid BPF object'],
  [4002, 'LIBBPF_ERRNO__KVERSION', 'incorrect or missing kernel version'],
  [4003, 'LIBBPF_ERRNO__ENDIAN', 'byte order of the object differs from this machine'],
  [4004, 'LIBBPF_ERRNO__INTERNAL', 'internal error of libbpf'],
  [4005, 'LIBBPF_ERRNO__RELOC', 'relocation failed'],
  [4006, 'LIBBPF_ERRNO__LOAD', 'loading the program failed for an unknown reason'],
  [4007, 'LIBBPF_ERRNO__VERIFY', 'the kernel verifier refused the program'],
  [4008, 'LIBBPF_ERRNO__PROG2BIG', 'program too big'],
  [4009, 'LIBBPF_ERRNO__KVER', 'object and kernel versions do not match'],
  [4010, 'LIBBPF_ERRNO__PROGTYPE', 'wrong program type'],
  [4011, 'LIBBPF_ERRNO__WRNGPID', 'wrong pid in netlink message'],
  [4012, 'LIBBPF_ERRNO__INVSEQ', 'invalid netlink sequence'],
  [4013, 'LIBBPF_ERRNO__NLPARSE', 'netlink message does not parse'],
];

const BY_NUMBER = new Map(TABLE.map(([number, name, text]) => [number, { name, text }]));
const BY_NAME = new Map(TABLE.map(([number, name]) => [name, number]));

/**
 * Returns the symbolic name of an error number.
 *
 * @param errno - a positive error number, such as 1
 * @returns the name, such as `'EPERM'`, or `'errno 1234'` for an unknown number
 *
 * @example
 * ```ts
 * import { errnoName } from 'merbridge/bpf';
 * errnoName(2); // 'ENOENT'
 * ```
 */
export function errnoName(errno: number): string {
  return BY_NUMBER.get(errno)?.name ?? `errno ${errno}`;
}

/**
 * Returns the description of an error number.
 *
 * @param errno - a positive error number, such as 1
 * @returns a few words in lower case, or `'unknown error'` for an unknown number
 */
export function errnoText(errno: number): string {
  return BY_NUMBER.get(errno)?.text ?? 'unknown error';
}

/**
 * Returns the number of a symbolic name. This is the inverse of {@link errnoName}.
 *
 * @param name - a name such as `'EPERM'`
 * @returns the positive number, or `undefined` for an unknown name
 */
export function errnoNumber(name: string): number | undefined {
  return BY_NAME.get(name);
}

/** Error numbers that this library tests for. They are positive, like `errno` in C. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EROFS: 30,
  ENOSYS: 38,
  EOPNOTSUPP: 95,
  ENOTSUPP: 524,
} as const;
