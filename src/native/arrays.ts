/** Arrays of 32-bit integers that C fills. ref-array-di lays them out. */
import { ffi, type ArrayType } from './ffi';

/** An array in memory that C can write to. */
export interface NativeUint32Array {
  /** Memory of the array, to be passed to C. */
  readonly buffer: Buffer;
  /**
   * Copies the first elements.
   *
   * @param count - number of elements
   * @returns the elements
   */
  take(count: number): number[];
}

let Uint32: ArrayType | undefined;

/**
 * Allocates an array of zeros.
 *
 * @param length - number of elements, at least 1
 * @returns the array
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
