import type { Codec } from './codec';

/** Refuses what is not an integer from 0 to `max`. The checks of Buffer's own write methods accept fractions. */
function integer(value: unknown, max: number, name: string): number {
  if (typeof value !== 'number') throw new TypeError(`${name}: a number is needed, got ${typeof value}`);
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`${name}: an integer from 0 to ${max} is needed, got ${value}`);
  }
  return value;
}

/** Unsigned 8-bit integer: C `__u8`. */
export const u8: Codec<number> = {
  size: 1,
  alignment: 1,
  name: 'u8',
  encode: (value, buf, offset) => void buf.writeUInt8(integer(value, 0xff, 'u8'), offset),
  decode: (buf, offset) => buf.readUInt8(offset),
};

/** Unsigned 16-bit integer in the byte order of this machine (little endian): C `__u16`. */
export const u16: Codec<number> = {
  size: 2,
  alignment: 2,
  name: 'u16',
  encode: (value, buf, offset) => void buf.writeUInt16LE(integer(value, 0xffff, 'u16'), offset),
  decode: (buf, offset) => buf.readUInt16LE(offset),
};

/** Unsigned 32-bit integer in the byte order of this machine (little endian): C `__u32`. */
export const u32: Codec<number> = {
  size: 4,
  alignment: 4,
  name: 'u32',
  encode: (value, buf, offset) => void buf.writeUInt32LE(integer(value, 0xffff_ffff, 'u32'), offset),
  decode: (buf, offset) => buf.readUInt32LE(offset),
};

/** Unsigned 64-bit integer in the byte order of this machine (little endian), always a `bigint`: C `__u64`. */
export const u64: Codec<bigint> = {
  size: 8,
  alignment: 8,
  name: 'u64',
  encode: (value, buf, offset) => {
    if (typeof value !== 'bigint') throw new TypeError(`u64: a bigint is needed, got ${typeof value}`);
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
      throw new RangeError(`u64: an integer from 0 to 2^64-1 is needed, got ${value}`);
    }
    buf.writeBigUInt64LE(value, offset);
  },
  decode: (buf, offset) => buf.readBigUInt64LE(offset),
};

/** Unsigned 16-bit integer in network byte order: C `__be16`. */
export const u16be: Codec<number> = {
  size: 2,
  alignment: 2,
  name: 'u16be',
  encode: (value, buf, offset) => void buf.writeUInt16BE(integer(value, 0xffff, 'u16be'), offset),
  decode: (buf, offset) => buf.readUInt16BE(offset),
};

/** Unsigned 32-bit integer in network byte order: C `__be32`. */
export const u32be: Codec<number> = {
  size: 4,
  alignment: 4,
  name: 'u32be',
  encode: (value, buf, offset) => void buf.writeUInt32BE(integer(value, 0xffff_ffff, 'u32be'), offset),
  decode: (buf, offset) => buf.readUInt32BE(offset),
};

/**
 * A TCP or UDP port, 0 to 65535, in network byte order: C `__be16`.
 *
 * Note that `struct bpf_sock_addr` and `struct bpf_sock_ops` hold ports in 32 bits, and some of them in host byte
 * order.
 */
export const port: Codec<number> = {
  size: 2,
  alignment: 2,
  name: 'port',
  encode: (value, buf, offset) => void buf.writeUInt16BE(integer(value, 0xffff, 'port'), offset),
  decode: (buf, offset) => buf.readUInt16BE(offset),
};
