/**
 * Memory that is shared with the kernel: mmap(2). It is only ever copied from and to, never wrapped in a buffer of its
 * own.
 */
import { checkErrno, systemError, type CallContext } from './call';
import { ffi } from './ffi';
import { libc } from './libc';

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
/** _SC_PAGESIZE of glibc. */
const SC_PAGESIZE = 30;

/** Bytes of a page: 4096 on x86-64, also 16 or 64 KiB on arm64. */
export function pageSize(): number {
  return libc.sysconf(SC_PAGESIZE);
}

/**
 * Maps a part of what a file descriptor stands for.
 *
 * @param fd - file descriptor; may be closed afterwards
 * @param offset - first byte, a multiple of the page size
 * @param length - how many bytes
 * @param writable - whether it is written, too
 * @param context - for the error
 * @returns the address; the caller unmaps it
 */
export function mapMemory(
  fd: number,
  offset: number,
  length: number,
  writable: boolean,
  context: Omit<CallContext, 'operation'>,
): number {
  const address = libc.mmap(null, length, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, offset);
  // MAP_FAILED is -1, which no number below 2^53 is.
  if (address > Number.MAX_SAFE_INTEGER) throw systemError(ffi().errno(), { operation: 'mmap', ...context });
  return address;
}

/** Ends a mapping. */
export function unmapMemory(address: number, length: number): void {
  checkErrno(() => libc.munmap(address, length), { operation: 'munmap' });
}
