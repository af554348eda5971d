import type { Codec } from './codec';

function length(size: number, name: string): number {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`${name}: a size of at least 1 is needed, got ${size}`);
  return size;
}

/**
 * A codec for a fixed number of raw bytes: C `__u8 name[size]`.
 *
 * Decoding returns a copy that the caller owns.
 *
 * @param size - number of bytes, at least 1. Encoding accepts only values of exactly this length
 * @returns the codec. Its `encode` throws a TypeError for a value that is not a Uint8Array, and a RangeError for one of
 * another length
 * @throws RangeError if `size` is not an integer of at least 1
 *
 * @example
 * ```ts
 * import { bytes, toBytes } from 'merbridge/bpf';
 * toBytes(bytes(4), Uint8Array.of(10, 0, 0, 9)); // <Buffer 0a 00 00 09>
 * ```
 */
export function bytes(size: number): Codec<Uint8Array> & {
  /** Reads the bytes into a new Buffer. */
  decode(buf: Buffer, offset: number): Buffer;
} {
  length(size, 'bytes');
  const name = `bytes(${size})`;
  return {
    size,
    alignment: 1,
    name,
    encode: (value, buf, offset) => {
      if (!(value instanceof Uint8Array)) throw new TypeError(`${name}: a Buffer or Uint8Array is needed`);
      if (value.length !== size) throw new RangeError(`${name}: ${size} bytes are needed, got ${value.length}`);
      buf.set(value, offset);
    },
    decode: (buf, offset) => Buffer.from(buf.subarray(offset, offset + size)),
  };
}

/**
 * A codec for UTF-8 text in a field of fixed length, padded with NUL bytes: C `char name[size]`.
 *
 * At most `size - 1` bytes of text fit, so that the text always ends with a NUL.
 *
 * @param size - length of the field in bytes, including the terminating NUL
 * @returns the codec. Its `encode` throws a TypeError for a value that is not a string, and a RangeError for text that
 * is too long or contains NUL
 * @throws RangeError if `size` is not an integer of at least 1
 *
 * @example
 * ```ts
 * import { fixedString, fromBytes, toBytes } from 'merbridge/bpf';
 * const comm = fixedString(16); // TASK_COMM_LEN
 * fromBytes(comm, toBytes(comm, 'envoy')); // 'envoy'
 * ```
 */
export function fixedString(size: number): Codec<string> {
  length(size, 'fixedString');
  const name = `fixedString(${size})`;
  return {
    size,
    alignment: 1,
    name,
    encode: (value, buf, offset) => {
      if (typeof value !== 'string') throw new TypeError(`${name}: a string is needed, got ${typeof value}`);
      if (value.includes('\0')) throw new RangeError(`${name}: the text holds a NUL character`);
      if (Buffer.byteLength(value) > size - 1) {
        throw new RangeError(`${name}: ${JSON.stringify(value)} takes more than ${size - 1} bytes`);
      }
      const written = buf.write(value, offset, 'utf8');
      buf.fill(0, offset + written, offset + size);
    },
    decode: (buf, offset) => {
      const end = buf.indexOf(0, offset);
      return buf.toString('utf8', offset, end === -1 || end > offset + size ? offset + size : end);
    },
  };
}

/**
 * A codec for a C array: C `type name[count]`.
 *
 * @param element - codec of one element
 * @param count - number of elements, at least 1. Encoding accepts only arrays of exactly this length
 * @returns the codec. Its `encode` throws a TypeError for a value that is not an array, and a RangeError for one of
 * another length
 * @throws RangeError if `count` is not an integer of at least 1
 *
 * @example
 * ```ts
 * import { array, toBytes, u16be } from 'merbridge/bpf';
 * toBytes(array(u16be, 2), [80, 443]); // <Buffer 00 50 01 bb>
 * ```
 */
export function array<T>(
  element: Codec<T>,
  count: number,
): Codec<readonly T[]> & {
  /** Reads the elements into a new array. */
  decode(buf: Buffer, offset: number): T[];
} {
  length(count, 'array');
  const name = `${element.name ?? 'element'}[${count}]`;
  // The sizeof of every C type is a multiple of its alignment, so elements follow each other without gaps.
  const stride = element.size;
  return {
    size: stride * count,
    alignment: element.alignment ?? 1,
    name,
    encode: (values, buf, offset) => {
      if (!Array.isArray(values)) throw new TypeError(`${name}: an array is needed`);
      if (values.length !== count) throw new RangeError(`${name}: ${count} elements are needed, got ${values.length}`);
      for (let i = 0; i < count; i++) element.encode(values[i] as T, buf, offset + i * stride);
    },
    decode: (buf, offset) => Array.from({ length: count }, (_, i) => element.decode(buf, offset + i * stride)),
  };
}
