/** Reading what C points at. Always by copy: memory of C may be freed under a view. */
import { ffi } from './ffi';
import { libc } from './libc';

/** Address of the first byte of a buffer. The caller keeps the buffer alive as long as C uses the address. */
export function addressOf(buffer: Buffer): number {
  return ffi().address(buffer);
}

/** Copies `length` bytes from an address. */
export function copyFrom(address: number, length: number): Buffer {
  const copy = Buffer.alloc(length);
  if (length > 0) libc.memcpy(copy, address, length);
  return copy;
}

/** Copies a NUL-terminated text; the empty text for NULL. */
export function cString(address: number): string {
  return address === 0 ? '' : copyFrom(address, libc.strlen(address)).toString('utf8');
}
