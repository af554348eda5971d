import type { Codec } from './codec';

function length(size: number, name: string): number {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`${name}: a size of at least 1 is needed, got ${size}`);
  return size;
}

/**
 * Bytes as they are: C `__u8 name[size]`.
 *
 * Decoding gives a copy, so the caller owns it.
 *
 * @param size - how many bytes, exactly
 */
export function bytes(size: number): Codec<Uint8Array> & {
  /** Reads a copy. */
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
 * A UTF-8 text in a field of fixed length, filled up with NUL: C `char name[size]`.
 *
 * At most `size - 1` bytes of text fit, so that C finds the end.
 *
 * @param size - bytes of the field, NUL included
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
 * A fixed number of equal elements: C `type name[length]`.
 *
 * @param element - codec of one element
 * @param count - how many elements, exactly
 */
export function array<T>(
  element: Codec<T>,
  count: number,
): Codec<readonly T[]> & {
  /** Reads an array of its own. */
  decode(buf: Buffer, offset: number): T[];
} {
  length(count, 'array');
  const name = `${element.name ?? 'element'}[${count}]`;
  // sizeof of every C type is a multiple of its alignment, so elements follow each other without gaps.
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
