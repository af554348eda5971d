import { isIPv4 } from 'node:net';
import { ipAddress, toBytes } from '../codec';
import type { PodRules } from './pod-rules';

/** The lists of ports in a rule set. Pinned digests depend on this order. */
export const PORT_LISTS = ['inboundPorts', 'excludeOutboundPorts', 'includeOutboundPorts'] as const;
/** The lists of address ranges in a rule set. Pinned digests depend on this order. */
export const RANGE_LISTS = ['excludeOutboundRanges', 'includeOutboundRanges'] as const;

/** An address range as the programs store it: a prefix of a 16-byte address. */
export interface Range {
  /** First address of the range. */
  readonly address: string;
  /** Length of the prefix in bits: 96 to 128 for IPv4, 0 to 128 for IPv6. */
  readonly bits: number;
}

/**
 * Rules in canonical form, which is the same for equivalent rules: sorted, without duplicates, without entries that
 * have no effect.
 *
 * @internal
 */
export interface RuleSet {
  /** Whether all inbound ports are included. */
  readonly allInbound: boolean;
  /** Whether all outbound addresses are included. */
  readonly allOutbound: boolean;
  /**
   * Whether an included range was written with an address in 127.0.0.0/8 or ::1. Then a pod's own addresses are no
   * longer an exception.
   */
  readonly loopback: boolean;
  /** The excluded ports if `allInbound`, otherwise the included ones. */
  readonly inboundPorts: readonly number[];
  /** Excluded destination ports. */
  readonly excludeOutboundPorts: readonly number[];
  /** Included destination ports. Empty if `allOutbound`. */
  readonly includeOutboundPorts: readonly number[];
  /** Excluded destination ranges. */
  readonly excludeOutboundRanges: readonly Range[];
  /** Included destination ranges. Empty if `allOutbound`. */
  readonly includeOutboundRanges: readonly Range[];
}

/**
 * Converts a rule set to rules.
 *
 * @internal
 * @param set - the rule set
 * @returns complete rules
 */
export function rulesOf(set: RuleSet): PodRules {
  return {
    includeInboundPorts: set.allInbound ? '*' : set.inboundPorts,
    excludeInboundPorts: set.allInbound ? set.inboundPorts : [],
    includeOutboundPorts: set.includeOutboundPorts,
    excludeOutboundPorts: set.excludeOutboundPorts,
    includeOutboundRanges: set.allOutbound
      ? '*'
      : (set.loopback ? withLoopback(set.includeOutboundRanges) : set.includeOutboundRanges).map(textOf),
    excludeOutboundRanges: set.excludeOutboundRanges.map(textOf),
  };
}

function textOf({ address, bits }: Range): string {
  return `${address}/${isIPv4(address) ? bits - 96 : bits}`;
}

/**
 * Restores a loopback address in ranges of which one was written with it. For instance, 127.0.0.1/1 is stored as
 * 0.0.0.0/1, which no longer shows that.
 */
function withLoopback(ranges: readonly Range[]): readonly Range[] {
  if (ranges.some(({ address }) => isLoopback(address))) return ranges;
  return ranges.map(({ address, bits }) => {
    const loopback = isIPv4(address) ? '127.0.0.0' : '::1';
    return { address: addressOf(masked(toBytes(ipAddress, loopback), bits)) === address ? loopback : address, bits };
  });
}

/**
 * Tells whether an address is a loopback address.
 *
 * @internal
 * @param address - IP address in canonical form
 * @returns whether it is
 */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/**
 * Clears the bits of an address beyond a prefix, in place.
 *
 * @internal
 * @param bytes - the address, 16 bytes in network byte order
 * @param bits - length of the prefix
 * @returns the same buffer
 */
export function masked(bytes: Buffer, bits: number): Buffer {
  for (let bit = bits; bit < 128; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7));
  return bytes;
}

/**
 * Converts an address to text.
 *
 * @internal
 * @param bytes - the address, 16 bytes in network byte order
 * @returns its canonical form
 */
export function addressOf(bytes: Buffer): string {
  return ipAddress.decode(bytes, 0);
}

/**
 * Tells whether a rule set is equivalent to no rules.
 *
 * @internal
 * @param set - the rule set
 * @returns whether it is
 */
export function isDefault(set: RuleSet): boolean {
  return set.allInbound && set.allOutbound && [...PORT_LISTS, ...RANGE_LISTS].every(name => set[name].length === 0);
}

/**
 * Sorts ranges and removes duplicates. They are sorted as text, because any fixed order will do.
 *
 * @internal
 * @param ranges - the ranges
 * @returns a new array
 */
export function unique(ranges: readonly Range[]): Range[] {
  const byText = new Map(ranges.map(({ address, bits }) => [`${address}/${bits}`, { address, bits }]));
  return [...byText.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, range]) => range);
}
