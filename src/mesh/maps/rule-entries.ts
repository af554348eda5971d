import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { fromBytes, type CodecValue } from '../../codec';
import { PORT_LISTS, RANGE_LISTS, unique, type Range, type RuleSet } from '../../policy';
import { mbConstant, mbRuleList, mbRulesFlag } from '../abi/enums';
import { mbRules, type mbRulePort, type mbRuleRange } from '../abi/structs';

/** Key of `pod_rule_ports`: a port in one list of a rule set. */
export type PortKey = CodecValue<typeof mbRulePort>;
/** Key of `pod_rule_ranges`: an address range in one list of a rule set. */
export type RangeKey = CodecValue<typeof mbRuleRange>;

const IPPROTO_TCP = 6;
/** IPv6 ranges have lists of their own, because `::/0` would match every IPv4 address (::ffff:0:0/96) as well. */
const OF_IPV6 = mbConstant.rulesOfIpv6;
const FIXED_BITS = mbConstant.ruleRangeFixed;
const { reserved: RESERVED } = fromBytes(mbRules, Buffer.alloc(mbRules.size));

/**
 * Computes a digest that identifies a rule set: the first 128 bits of SHA-256.
 *
 * @internal
 * @param set - the rule set
 * @returns the digest as two 64-bit numbers
 */
export function digestOf(set: RuleSet): readonly [bigint, bigint] {
  const { allInbound, allOutbound, loopback } = set;
  const lists = [...PORT_LISTS, ...RANGE_LISTS].map(name => set[name]);
  const hash = createHash('sha256')
    .update(JSON.stringify([allInbound, allOutbound, loopback, ...lists]))
    .digest();
  return [hash.readBigUInt64LE(0), hash.readBigUInt64LE(8)];
}

/**
 * Makes the entry of `pod_rules`. The programs read it first. It says which lists have entries.
 *
 * @param set - the rule set
 * @param digest - its digest
 * @returns the entry
 */
export function setEntry(set: RuleSet, digest: readonly [bigint, bigint]): CodecValue<typeof mbRules> {
  const flags =
    (set.allInbound ? mbRulesFlag.allInbound : 0) |
    (set.allOutbound ? mbRulesFlag.allOutbound : 0) |
    (set.loopback ? mbRulesFlag.loopback : 0) |
    [...PORT_LISTS, ...RANGE_LISTS].reduce(
      (bits, name) => bits | (set[name].length > 0 ? 1 << mbRuleList[name] : 0),
      0,
    );
  return { digest: [...digest], flags, reserved: RESERVED };
}

/**
 * Tells whether a stored rule set matches its digest, so that it was written completely.
 *
 * @param stored - the rule set as the maps contain it, and its stored digest
 * @returns whether they match
 */
export function isWhole({ digest, set }: { readonly digest: string; readonly set: RuleSet }): boolean {
  return digest === keyOf(digestOf(set));
}

/**
 * Lists the keys of `pod_rule_ports` for a rule set.
 *
 * @param set - its number
 * @param rules - its contents
 * @returns the keys
 */
export function portKeys(set: number, rules: RuleSet): PortKey[] {
  return PORT_LISTS.flatMap(name =>
    rules[name].map(port => ({ set, port, list: mbRuleList[name], protocol: IPPROTO_TCP })),
  );
}

/**
 * Lists the keys of `pod_rule_ranges` for a rule set.
 *
 * @param set - its number
 * @param rules - its contents
 * @returns the keys
 */
export function rangeKeys(set: number, rules: RuleSet): RangeKey[] {
  return RANGE_LISTS.flatMap(name =>
    rules[name].map(({ address, bits }) => ({
      prefix: FIXED_BITS + bits,
      set,
      list: mbRuleList[name] + (isIPv4(address) ? 0 : OF_IPV6),
      address,
    })),
  );
}

/**
 * Makes a rule set from stored keys: the reverse of {@link portKeys} and {@link rangeKeys}.
 *
 * @param flags - flags of its entry in `pod_rules`
 * @param keys - its keys in both maps, in any order
 * @returns the rule set, sorted
 */
export function ruleSetFrom(
  flags: number,
  { ports, ranges }: { ports: readonly PortKey[]; ranges: readonly RangeKey[] },
): RuleSet {
  const portsOf = (list: number): number[] =>
    ports
      .filter(key => key.list === list)
      .map(({ port }) => port)
      .sort((a, b) => a - b);
  const rangesOf = (list: number): Range[] =>
    unique(
      ranges
        .filter(key => key.list % OF_IPV6 === list)
        .map(({ address, prefix }) => ({ address, bits: prefix - FIXED_BITS })),
    );
  return {
    allInbound: (flags & mbRulesFlag.allInbound) !== 0,
    allOutbound: (flags & mbRulesFlag.allOutbound) !== 0,
    loopback: (flags & mbRulesFlag.loopback) !== 0,
    inboundPorts: portsOf(mbRuleList.inboundPorts),
    excludeOutboundPorts: portsOf(mbRuleList.excludeOutboundPorts),
    includeOutboundPorts: portsOf(mbRuleList.includeOutboundPorts),
    excludeOutboundRanges: rangesOf(mbRuleList.excludeOutboundRanges),
    includeOutboundRanges: rangesOf(mbRuleList.includeOutboundRanges),
  };
}

/**
 * Converts a digest to a key of a JavaScript `Map`.
 *
 * @param digest - two 64-bit numbers
 * @returns the key
 */
export function keyOf(digest: readonly bigint[]): string {
  return digest.join(' ');
}
