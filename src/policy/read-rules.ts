import { isIPv4 } from 'node:net';
import { ipAddress, toBytes } from '../codec';
import { isEnough, PodRulesError, shown, type PodRulesProblem } from '../errors';
import { isRecord, refuseUnknown } from '../checks';
import type { PodRules } from './pod-rules';
import { addressOf, isDefault, isLoopback, masked, unique, type Range, type RuleSet } from './rule-set';

const properties = [
  'includeInboundPorts',
  'excludeInboundPorts',
  'includeOutboundPorts',
  'excludeOutboundPorts',
  'includeOutboundRanges',
  'excludeOutboundRanges',
] as const satisfies readonly (keyof PodRules)[];

/**
 * Validates rules and converts them to canonical form.
 *
 * @internal
 * @param rules - rules of the caller
 * @returns the rule set. `undefined` if the rules are equivalent to no rules
 * @throws PodRulesError (`ERR_BPF_POD_RULES`) if entries are invalid; it has the first 20 problems
 * @throws TypeError if they are not an object or have an unknown property
 */
export function ruleSetOf(rules: PodRules): RuleSet | undefined {
  const problems: PodRulesProblem[] = [];
  const set = readRules(rules, problems);
  if (problems.length > 0) throw new PodRulesError(problems);
  return isDefault(set) ? undefined : set;
}

/**
 * Converts rules to canonical form and collects the problems instead of throwing them.
 *
 * @internal
 * @param rules - rules of the caller
 * @param problems - receives the problems, until there are enough for an error
 * @returns the rule set. Do not use it if there are problems
 * @throws TypeError if they are not an object or have an unknown property
 */
export function readRules(rules: PodRules, problems: PodRulesProblem[]): RuleSet {
  if (!isRecord(rules)) throw new TypeError(`rules must be an object, not ${shown(rules)}`);
  refuseUnknown(rules, 'rules', { noun: 'property', known: properties });
  const list = (name: keyof PodRules): readonly unknown[] => {
    const value: unknown = rules[name] === undefined ? [] : rules[name];
    if (Array.isArray(value)) return value;
    problems.push({ name, position: 0, entry: value, reason: 'is not a list' });
    return [];
  };
  /** Parses the entries of a list. Stops when there are enough problems for an error. */
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

type Place = Pick<PodRulesProblem, 'name' | 'position'>;

function parsePort(port: unknown, place: Place, problems: PodRulesProblem[]): number | undefined {
  if (Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65535) return port as number;
  problems.push({ ...place, entry: port, reason: 'is not a port: 0 to 65535' });
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
    problems.push({ ...place, entry, reason: 'is not a range: an address, a slash, and the length of its prefix' });
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
