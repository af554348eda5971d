/**
 * Translates between a value of TypeScript and its bytes in a BPF map.
 *
 * The size belongs to the codec, so that a map can compare it with its own key or value size once, when it is opened,
 * instead of reading or writing past the end later.
 *
 * @typeParam T - the value
 *
 * @example A codec of one's own: a boolean in one byte
 * ```ts
 * import type { Codec } from 'merbridge/bpf';
 *
 * const flag: Codec<boolean> = {
 *   size: 1,
 *   name: 'flag',
 *   encode: (value, buf, offset) => void buf.writeUInt8(value ? 1 : 0, offset),
 *   decode: (buf, offset) => buf.readUInt8(offset) !== 0,
 * };
 * ```
 */
export interface Codec<T> {
  /** How many bytes a value takes, always. */
  readonly size: number;
  /** What it is, for error messages: `'u32'`, `'ipAddress'`. */
  readonly name?: string | undefined;
  /** Alignment of the C type in bytes, a power of two; used inside structs. Default: 1. */
  readonly alignment?: number | undefined;
  /**
   * Writes a value. Every one of the `size` bytes is written: the buffer may hold an older value.
   *
   * @param value - what to write
   * @param buf - where to
   * @param offset - first byte
   * @throws TypeError, RangeError or InvalidAddressError when the value cannot be written
   */
  encode(value: T, buf: Buffer, offset: number): void;
  /**
   * Reads a value. What is returned does not share memory with `buf`, which is used again.
   *
   * @param buf - where from
   * @param offset - first byte
   */
  decode(buf: Buffer, offset: number): T;
}

/** The value type of a codec: `CodecValue<typeof u32>` is `number`. */
export type CodecValue<C> = C extends Codec<infer T> ? T : never;

/**
 * Encodes a value into a buffer of its own.
 *
 * @example
 * ```ts
 * import { toBytes, u16be } from 'merbridge/bpf';
 * toBytes(u16be, 15001); // <Buffer 3a 99>
 * ```
 */
export function toBytes<T>(codec: Codec<T>, value: T): Buffer {
  const buf = Buffer.alloc(codec.size);
  codec.encode(value, buf, 0);
  return buf;
}

/**
 * Decodes a value from bytes of exactly its size.
 *
 * @throws RangeError when the length differs from the size of the codec
 */
export function fromBytes<T>(codec: Codec<T>, bytes: Buffer): T {
  if (bytes.length !== codec.size) {
    throw new RangeError(`${codec.name ?? 'value'}: ${codec.size} bytes expected, got ${bytes.length}`);
  }
  return codec.decode(bytes, 0);
}

/** Gives a codec another alignment, as `__attribute__((aligned(n)))` does to a C type. */
export function aligned<T>(codec: Codec<T>, alignment: number): Codec<T> {
  if (!Number.isInteger(alignment) || alignment < 1 || (alignment & (alignment - 1)) !== 0) {
    throw new RangeError(`alignment must be a power of two, got ${alignment}`);
  }
  return {
    size: codec.size,
    alignment,
    ...(codec.name === undefined ? {} : { name: codec.name }),
    encode: (value, buf, offset) => codec.encode(value, buf, offset),
    decode: (buf, offset) => codec.decode(buf, offset),
  };
}
