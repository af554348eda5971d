import { isIPv4 } from 'node:net';
import { ipAddress, toBytes } from '../codec';
import type { PodRules } from './pod-rules';

/** The lists of a rule set that name ports. Digests, which are pinned, take them in this order. */
export const PORT_LISTS = ['inboundPorts', 'excludeOutboundPorts', 'includeOutboundPorts'] as const;
/** Those that name ranges. */
export const RANGE_LISTS = ['excludeOutboundRanges', 'includeOutboundRanges'] as const;

/** A range as the programs find it: of the address in its 16 bytes so many bits. */
export interface Range {
  readonly address: string;
  /** 96 to 128 for IPv4, 0 to 128 for IPv6. */
  readonly bits: number;
}

/** Rules in the one form that equal rules have: sorted, each entry once, without what changes nothing. @internal */
export interface RuleSet {
  readonly allInbound: boolean;
  readonly allOutbound: boolean;
  /**
   * Whether an included range begins in 127.0.0.0/8 or with ::1, as it was written: then a pod's own addresses are no
   * exception any more.
   */
  readonly loopback: boolean;
  /** With `allInbound` those that are excluded, otherwise those that are included. */
  readonly inboundPorts: readonly number[];
  readonly excludeOutboundPorts: readonly number[];
  readonly includeOutboundPorts: readonly number[];
  readonly excludeOutboundRanges: readonly Range[];
  readonly includeOutboundRanges: readonly Range[];
}

/** The rules that a rule set stands for. @internal */
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
 * The ranges as they may have been written, where one began with a loopback address: 127.0.0.1/1 is kept as 0.0.0.0/1,
 * which says less.
 */
function withLoopback(ranges: readonly Range[]): readonly Range[] {
  if (ranges.some(({ address }) => isLoopback(address))) return ranges;
  return ranges.map(({ address, bits }) => {
    const loopback = isIPv4(address) ? '127.0.0.0' : '::1';
    return { address: addressOf(masked(toBytes(ipAddress, loopback), bits)) === address ? loopback : address, bits };
  });
}

/** @internal */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** An address without what is behind its prefix. @internal */
export function masked(bytes: Buffer, bits: number): Buffer {
  for (let bit = bits; bit < 128; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7));
  return bytes;
}

/** @internal */
export function addressOf(bytes: Buffer): string {
  return ipAddress.decode(bytes, 0);
}

/** Whether a rule set says the same as no rules. @internal */
export function isDefault(set: RuleSet): boolean {
  return set.allInbound && set.allOutbound && [...PORT_LISTS, ...RANGE_LISTS].every(name => set[name].length === 0);
}

/** Sorted as text: which order is nobody's business, only that it is one. @internal */
export function unique(ranges: readonly Range[]): Range[] {
  const byText = new Map(ranges.map(({ address, bits }) => [`${address}/${bits}`, { address, bits }]));
  return [...byText.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, range]) => range);
}
