/** Reads memory of C. It always copies, because C may free the memory under a view. */
import { ffi } from './ffi';
import { libc } from './libc';

/**
 * Returns the address of the first byte of a buffer.
 *
 * @param buffer - buffer. The caller keeps it alive while C uses the address
 * @returns the address
 */
export function addressOf(buffer: Buffer): number {
  return ffi().address(buffer);
}

/**
 * Copies memory of C.
 *
 * @param address - address of the first byte
 * @param length - number of bytes
 * @returns the copy
 */
export function copyFrom(address: number, length: number): Buffer {
  const copy = Buffer.alloc(length);
  if (length > 0) libc.memcpy(copy, address, length);
  return copy;
}

/**
 * Copies a NUL-terminated string of C.
 *
 * @param address - address of the string
 * @returns the string; empty for NULL
 */
export function cString(address: number): string {
  return address === 0 ? '' : copyFrom(address, libc.strlen(address)).toString('utf8');
}
