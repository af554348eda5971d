/** Memory that is shared with the kernel: mmap(2). It is only copied from and to, never wrapped in a buffer. */
import { checkErrno, systemError, type CallContext } from './call';
import { ffi } from './ffi';
import { libc } from './libc';

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
/** _SC_PAGESIZE of glibc. */
const SC_PAGESIZE = 30;

/**
 * Returns the page size of the kernel.
 *
 * @returns bytes: 4096 on x86-64, also 16 or 64 KiB on arm64
 */
export function pageSize(): number {
  return libc.sysconf(SC_PAGESIZE);
}

/**
 * Maps a part of a file descriptor.
 *
 * @param fd - file descriptor. It may be closed afterwards
 * @param offset - first byte, a multiple of the page size
 * @param length - number of bytes
 * @param writable - whether the memory is also written
 * @param context - subject, for the error
 * @returns the address. The caller unmaps it
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function mapMemory(
  fd: number,
  offset: number,
  length: number,
  writable: boolean,
  context: Omit<CallContext, 'operation'>,
): number {
  const address = libc.mmap(null, length, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, offset);
  // MAP_FAILED is -1, which is greater than any exact number.
  if (address > Number.MAX_SAFE_INTEGER) throw systemError(ffi().errno(), { operation: 'mmap', ...context });
  return address;
}

/**
 * Unmaps memory.
 *
 * @param address - first byte
 * @param length - number of bytes
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function unmapMemory(address: number, length: number): void {
  checkErrno(() => libc.munmap(address, length), { operation: 'munmap' });
}
