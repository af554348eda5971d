import { isIPv6 } from 'node:net';

import { InvalidAddressError } from '../errors';
import type { Codec } from './codec';

const HINT = 'such as "10.0.0.9" or "fd00::9", without port, prefix length or zone';

/**
 * An IP address in 16 bytes, network byte order: C `struct in6_addr` or `__be32 ip[4]`.
 *
 * IPv4 addresses are stored as IPv4-mapped IPv6 addresses, `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2), and decoded as dotted
 * quads. So `"10.0.0.9"` and `"::ffff:10.0.0.9"` are the same key. IPv6 addresses are decoded in the form of RFC 5952.
 *
 * Encoding is strict. It throws an InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) for a zone (`fe80::1%eth0`), a
 * prefix length, or leading zeros in a dotted quad.
 *
 * @example
 * ```ts
 * import { ipAddress, toBytes } from 'merbridge/bpf';
 * toBytes(ipAddress, '10.0.0.9').toString('hex'); // '00000000000000000000ffff0a000009'
 * ```
 */
export const ipAddress: Codec<string> = {
  size: 16,
  alignment: 4,
  name: 'ipAddress',
  encode: (value, buf, offset) => {
    if (typeof value !== 'string') throw new InvalidAddressError(value, HINT);
    const v4 = parseIPv4(value, 0, value.length);
    if (v4 !== -1) {
      buf.writeUInt32LE(0, offset);
      buf.writeUInt32LE(0, offset + 4);
      buf.writeUInt32BE(0xffff, offset + 8);
      buf.writeUInt32BE(v4, offset + 12);
      return;
    }
    if (value.includes('%')) throw new InvalidAddressError(value, 'a zone has no meaning in a map; leave it out');
    if (!isIPv6(value)) throw new InvalidAddressError(value, HINT);
    writeIPv6(value, buf, offset);
  },
  decode: (buf, offset) => {
    const mapped =
      buf.readUInt32LE(offset) === 0 && buf.readUInt32LE(offset + 4) === 0 && buf.readUInt32BE(offset + 8) === 0xffff;
    if (mapped) {
      return `${buf[offset + 12]}.${buf[offset + 13]}.${buf[offset + 14]}.${buf[offset + 15]}`;
    }
    return formatIPv6(buf, offset);
  },
};

/**
 * Parses a dotted quad without allocating memory, because this runs for every pod of a node.
 *
 * @returns the 32 bits of the address, or -1 if the text is not a dotted quad
 */
function parseIPv4(text: string, start: number, end: number): number {
  if (end - start < 7 || end - start > 15) return -1;
  let address = 0;
  let parts = 0;
  let part = -1;
  for (let i = start; i <= end; i++) {
    const code = i === end ? 46 : text.charCodeAt(i);
    if (code === 46) {
      if (part === -1 || part > 255 || parts === 4) return -1;
      address = address * 256 + part;
      parts += 1;
      part = -1;
    } else if (code >= 48 && code <= 57) {
      // A leading zero: some parsers read the part as octal, so it is refused.
      if (part === 0) return -1;
      part = (part === -1 ? 0 : part) * 10 + (code - 48);
    } else {
      return -1;
    }
  }
  return parts === 4 ? address : -1;
}

/** Writes an address that was checked to be IPv6. */
function writeIPv6(text: string, buf: Buffer, offset: number): void {
  let groups = text;
  const lastColon = text.lastIndexOf(':');
  if (text.includes('.')) {
    const v4 = parseIPv4(text, lastColon + 1, text.length);
    groups = `${text.slice(0, lastColon + 1)}${(v4 >>> 16).toString(16)}:${(v4 & 0xffff).toString(16)}`;
  }
  const gap = groups.indexOf('::');
  const head = split(gap === -1 ? groups : groups.slice(0, gap));
  const tail = gap === -1 ? [] : split(groups.slice(gap + 2));
  buf.fill(0, offset, offset + 16);
  head.forEach((group, i) => void buf.writeUInt16BE(group, offset + i * 2));
  tail.forEach((group, i) => void buf.writeUInt16BE(group, offset + 16 - (tail.length - i) * 2));
}

function split(groups: string): number[] {
  return groups === '' ? [] : groups.split(':').map(group => Number.parseInt(group, 16));
}

/**
 * Formats as in RFC 5952: lower case, no leading zeros; the first longest run of at least two zero groups becomes "::".
 */
function formatIPv6(buf: Buffer, offset: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => buf.readUInt16BE(offset + i * 2));
  let from = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run += 1;
    if (run > length) {
      from = i;
      length = run;
    }
    i += Math.max(run - 1, 0);
  }
  const text = (part: number[]): string => part.map(group => group.toString(16)).join(':');
  return from === -1 ? text(groups) : `${text(groups.slice(0, from))}::${text(groups.slice(from + length))}`;
}
