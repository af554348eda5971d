import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { ipAddress, toBytes } from '../../codec';
import { isEnough, PodRulesError, shown, type PodRulesProblem } from '../../errors';

/**
 * Which connections of a pod go through its sidecar. What is left out is as without any rules: everything does, but for
 * the inbound ports that the profile excludes.
 *
 * The order is Istio's (tools/istio-iptables/pkg/capture/run.go). Outbound: excluded ports, for whoever dials; then
 * what the sidecar itself dials is let through; excluded ranges; included ports; included ranges. Inbound: the
 * profile's tunnel port is let through; then either the included ports are a list, and count alone, or they are `'*'`,
 * and the excluded ones are taken off.
 *
 * Ports are of TCP, 0 to 65535. Ranges are in CIDR notation, IPv4 or IPv6; bits behind the prefix do not matter. IPv6
 * ranges are kept, for a time when IPv6 is redirected.
 */
export interface PodRules {
  /** Ports of the pod whose connections go to the sidecar's inbound port. Default `'*'`. */
  readonly includeInboundPorts?: '*' | readonly number[] | undefined;
  /** Ports of the pod that do not. Without effect where `includeInboundPorts` is a list. */
  readonly excludeInboundPorts?: readonly number[] | undefined;
  /** Ports that go to the sidecar's outbound port wherever they are, unless the range is excluded. */
  readonly includeOutboundPorts?: readonly number[] | undefined;
  /** Ports that are dialled directly. */
  readonly excludeOutboundPorts?: readonly number[] | undefined;
  /** Addresses that go to the sidecar's outbound port. Default `'*'`. */
  readonly includeOutboundRanges?: '*' | readonly string[] | undefined;
  /** Addresses that are dialled directly. */
  readonly excludeOutboundRanges?: readonly string[] | undefined;
}

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

const properties = [
  'includeInboundPorts',
  'excludeInboundPorts',
  'includeOutboundPorts',
  'excludeOutboundPorts',
  'includeOutboundRanges',
  'excludeOutboundRanges',
] as const satisfies readonly (keyof PodRules)[];

/**
 * Checks rules and brings them into their one form.
 *
 * @internal
 * @returns `undefined` if they say the same as no rules
 * @throws PodRulesError with what is wrong, up to 20 problems
 * @throws TypeError if they are no object, or have a property that there is not
 */
export function ruleSetOf(rules: PodRules): RuleSet | undefined {
  const problems: PodRulesProblem[] = [];
  const set = readRules(rules, problems);
  if (problems.length > 0) throw new PodRulesError(problems);
  return isDefault(set) ? undefined : set;
}

/**
 * The same, whatever is wrong with them.
 *
 * @internal
 * @param rules - what was given
 * @param problems - gets what is wrong, until it is enough; if anything is, the rule set means nothing
 */
export function readRules(rules: PodRules, problems: PodRulesProblem[]): RuleSet {
  if (typeof rules !== 'object' || rules === null || Array.isArray(rules))
    throw new TypeError(`rules must be an object, not ${shown(rules)}`);
  const extra = Object.keys(rules).find(key => !(properties as readonly string[]).includes(key));
  if (extra !== undefined) throw new TypeError(`rules: unknown property '${shown(extra)}'`);
  const list = (name: keyof PodRules): readonly unknown[] => {
    const value: unknown = rules[name] === undefined ? [] : rules[name];
    if (Array.isArray(value)) return value;
    problems.push({ name, position: 0, entry: value, reason: 'is no list' });
    return [];
  };
  /** What `parse` makes of each entry; up to where it is clear that nothing will come of it. */
  const each = <T>(
    name: keyof PodRules,
    parse: (entry: unknown, place: Place, problems: PodRulesProblem[]) => T | undefined,
  ): T[] => {
    const parsed: T[] = [];
    for (const [i, entry] of list(name).entries()) {
      if (isEnough(problems)) break;
      const value = parse(entry, { name, position: i + 1 }, problems);
      if (value !== undefined) parsed.push(value);
    }
    return parsed;
  };
  const all = (name: 'includeInboundPorts' | 'includeOutboundRanges'): boolean =>
    rules[name] === undefined || rules[name] === '*';
  const ports = (name: keyof PodRules): number[] => sorted(each(name, parsePort));
  const ranges = (name: keyof PodRules): { ranges: Range[]; loopback: boolean } => {
    const parsed = each(name, parseRange);
    return { ranges: unique(parsed), loopback: parsed.some(({ loopback }) => loopback) };
  };
  const allInbound = all('includeInboundPorts');
  const allOutbound = all('includeOutboundRanges');
  const excludeInbound = ports('excludeInboundPorts');
  const includePorts = ports('includeOutboundPorts');
  const included = allOutbound ? { ranges: [], loopback: false } : ranges('includeOutboundRanges');
  return {
    allInbound,
    allOutbound,
    loopback: included.loopback,
    inboundPorts: allInbound ? excludeInbound : ports('includeInboundPorts'),
    excludeOutboundPorts: ports('excludeOutboundPorts'),
    includeOutboundPorts: allOutbound ? [] : includePorts,
    excludeOutboundRanges: ranges('excludeOutboundRanges').ranges,
    includeOutboundRanges: included.ranges,
  };
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

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function masked(bytes: Buffer, bits: number): Buffer {
  for (let bit = bits; bit < 128; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7));
  return bytes;
}

function addressOf(bytes: Buffer): string {
  return ipAddress.decode(bytes, 0);
}

/** 128 bits that are equal for equal rule sets, and for no others. @internal */
export function digestOf(set: RuleSet): readonly [bigint, bigint] {
  const { allInbound, allOutbound, loopback } = set;
  const lists = [...PORT_LISTS, ...RANGE_LISTS].map(name => set[name]);
  const hash = createHash('sha256')
    .update(JSON.stringify([allInbound, allOutbound, loopback, ...lists]))
    .digest();
  return [hash.readBigUInt64LE(0), hash.readBigUInt64LE(8)];
}

function isDefault(set: RuleSet): boolean {
  return set.allInbound && set.allOutbound && [...PORT_LISTS, ...RANGE_LISTS].every(name => set[name].length === 0);
}

type Place = Pick<PodRulesProblem, 'name' | 'position'>;

function parsePort(port: unknown, place: Place, problems: PodRulesProblem[]): number | undefined {
  if (Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65535) return port as number;
  problems.push({ ...place, entry: port, reason: 'is no port: 0 to 65535' });
  return undefined;
}

function parseRange(
  entry: unknown,
  place: Place,
  problems: PodRulesProblem[],
): (Range & { loopback: boolean }) | undefined {
  const [, address = '', length = ''] = (typeof entry === 'string' && /^([^/]+)\/(\d{1,3})$/.exec(entry)) || [];
  let bytes: Buffer;
  try {
    bytes = toBytes(ipAddress, address);
  } catch {
    problems.push({ ...place, entry, reason: 'is no range: an address, a slash, and the length of its prefix' });
    return undefined;
  }
  const isV4 = isIPv4(address);
  const bits = Number(length) + (isV4 ? 96 : 0);
  if (bits > 128) {
    problems.push({
      ...place,
      entry,
      reason: `has a prefix of ${length} bits, where an address has ${isV4 ? 32 : 128}`,
    });
    return undefined;
  }
  const loopback = isLoopback(isV4 ? address : addressOf(bytes));
  return { address: addressOf(masked(bytes, bits)), bits, loopback };
}

function sorted(ports: readonly number[]): number[] {
  return [...new Set(ports)].sort((a, b) => a - b);
}

/** Sorted as text: which order is nobody's business, only that it is one. @internal */
export function unique(ranges: readonly Range[]): Range[] {
  const byText = new Map(ranges.map(({ address, bits }) => [`${address}/${bits}`, { address, bits }]));
  return [...byText.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, range]) => range);
}
