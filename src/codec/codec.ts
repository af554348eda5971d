/**
 * Converts between a TypeScript value and its bytes in a BPF map.
 *
 * A codec has a fixed size. A map compares it with its own key or value size once, when it is opened, so that no later
 * access can read or write past the end.
 *
 * @typeParam T - type of the value
 *
 * @example A codec of your own: a boolean in one byte
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
  /** Size of every encoded value in bytes. */
  readonly size: number;
  /** Name of the type for error messages, such as `'u32'` or `'ipAddress'`. */
  readonly name?: string | undefined;
  /** Alignment of the C type in bytes, a power of two. Only {@link struct} uses it. Default: 1. */
  readonly alignment?: number | undefined;
  /**
   * Writes a value. It must write all `size` bytes, because the buffer may still hold an older value.
   *
   * @param value - value to write
   * @param buf - buffer to write to. It belongs to the caller
   * @param offset - index of the first byte in `buf`
   * @throws TypeError if the value is of the wrong type
   * @throws RangeError if the value does not fit
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the value should be an IP address and is none
   */
  encode(value: T, buf: Buffer, offset: number): void;
  /**
   * Reads a value. The result must not share memory with `buf`, which the caller reuses.
   *
   * @param buf - buffer to read from
   * @param offset - index of the first byte in `buf`
   * @returns the value
   * @throws RangeError if the bytes do not represent a value of the type
   */
  decode(buf: Buffer, offset: number): T;
}

/** The value type of a codec: `CodecValue<typeof u32>` is `number`. */
export type CodecValue<C> = C extends Codec<infer T> ? T : never;

/**
 * Encodes a value into a new buffer.
 *
 * @param codec - codec of the value
 * @param value - value to encode
 * @returns a new Buffer of `codec.size` bytes
 * @throws TypeError if the value is of the wrong type
 * @throws RangeError if the value does not fit
 * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the value should be an IP address and is none
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
 * Decodes a value from exactly as many bytes as its codec has.
 *
 * @param codec - codec of the value
 * @param bytes - the encoded value
 * @returns the value. It shares no memory with `bytes`
 * @throws RangeError if the number of bytes differs from the size of the codec, or if they do not represent a value of
 * the type
 *
 * @example
 * ```ts
 * import { fromBytes, u16be } from 'merbridge/bpf';
 * fromBytes(u16be, Buffer.from([0x3a, 0x99])); // 15001
 * ```
 */
export function fromBytes<T>(codec: Codec<T>, bytes: Buffer): T {
  if (bytes.length !== codec.size) {
    throw new RangeError(`${codec.name ?? 'value'}: ${codec.size} bytes expected, got ${bytes.length}`);
  }
  return codec.decode(bytes, 0);
}

/**
 * Returns a copy of a codec with another alignment, like `__attribute__((aligned(n)))` on a C type.
 *
 * @param codec - codec of the value
 * @param alignment - alignment in bytes, a power of two
 * @returns the new codec
 * @throws RangeError if `alignment` is not a power of two
 */
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
