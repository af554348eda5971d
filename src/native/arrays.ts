/** Arrays of 32-bit integers that C fills, laid out by ref-array-di. */
import { ffi } from './ffi';

/** An array in memory that C can write to. */
export interface NativeUint32Array {
  /** The bytes behind it, to be passed to C. */
  readonly buffer: Buffer;
  /** Copies the first `count` elements. */
  take(count: number): number[];
}

interface ArrayInstance {
  readonly buffer: Buffer;
  readonly length: number;
  readonly [index: number]: number;
}
type ArrayConstructor = new (length: number) => ArrayInstance;

let Uint32: ArrayConstructor | undefined;

/**
 * Makes an array of zeros.
 *
 * @param length - how many elements, at least 1
 */
export function uint32Array(length: number): NativeUint32Array {
  if (Uint32 === undefined) {
    const define = (require('ref-array-di') as (ref: object) => (type: string) => ArrayConstructor)(ffi().ref);
    Uint32 = define('uint32');
  }
  const array = new Uint32(length);
  array.buffer.fill(0);
  return {
    buffer: array.buffer,
    take: (count) => Array.from({ length: Math.min(count, length) }, (_, index) => array[index]!),
  };
}
