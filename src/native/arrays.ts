/** Arrays of 32-bit integers that C fills, laid out by ref-array-di. */
import { ffi, type ArrayType } from './ffi';

/** An array in memory that C can write to. */
export interface NativeUint32Array {
  /** The bytes behind it, to be passed to C. */
  readonly buffer: Buffer;
  /** Copies the first `count` elements. */
  take(count: number): number[];
}

let Uint32: ArrayType | undefined;

/**
 * Makes an array of zeros.
 *
 * @param length - how many elements, at least 1
 */
export function uint32Array(length: number): NativeUint32Array {
  Uint32 ??= ffi().array('uint32');
  const array = new Uint32(length);
  array.buffer.fill(0);
  return {
    buffer: array.buffer,
    take: count => Array.from({ length: Math.min(count, length) }, (_, index) => array[index]!),
  };
}
