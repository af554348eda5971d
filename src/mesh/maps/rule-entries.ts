import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { fromBytes, type CodecValue } from '../../codec';
import { PORT_LISTS, RANGE_LISTS, unique, type Range, type RuleSet } from '../../policy';
import { mbConstant, mbRuleList, mbRulesFlag } from '../abi/enums';
import { mbRules, type mbRulePort, type mbRuleRange } from '../abi/structs';

/** A port that one list of a set names. */
export type PortKey = CodecValue<typeof mbRulePort>;
/** Likewise a range. */
export type RangeKey = CodecValue<typeof mbRuleRange>;

const IPPROTO_TCP = 6;
/** `::/0` would find every IPv4 address, which is one of ::ffff:0:0/96: ranges of IPv6 are in a list of their own. */
const OF_IPV6 = mbConstant.rulesOfIpv6;
const FIXED_BITS = mbConstant.ruleRangeFixed;
const { reserved: RESERVED } = fromBytes(mbRules, Buffer.alloc(mbRules.size));

/** 128 bits that are equal for equal rule sets, and for no others. @internal */
export function digestOf(set: RuleSet): readonly [bigint, bigint] {
  const { allInbound, allOutbound, loopback } = set;
  const lists = [...PORT_LISTS, ...RANGE_LISTS].map(name => set[name]);
  const hash = createHash('sha256')
    .update(JSON.stringify([allInbound, allOutbound, loopback, ...lists]))
    .digest();
  return [hash.readBigUInt64LE(0), hash.readBigUInt64LE(8)];
}

/** The entry of `pod_rules`: what the programs read first, and which lists have entries. */
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

/** Whether a set is what it says it is. */
export function isWhole({ digest, set }: { readonly digest: string; readonly set: RuleSet }): boolean {
  return digest === keyOf(digestOf(set));
}

/** The entries of `pod_rule_ports` that a set is made of. */
export function portKeys(set: number, rules: RuleSet): PortKey[] {
  return PORT_LISTS.flatMap(name =>
    rules[name].map(port => ({ set, port, list: mbRuleList[name], protocol: IPPROTO_TCP })),
  );
}

/** The entries of `pod_rule_ranges`. */
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

/** The reverse of {@link portKeys} and {@link rangeKeys}, in the order that rule sets have. */
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

/** A digest as a key of a JS `Map`. */
export function keyOf(digest: readonly bigint[]): string {
  return digest.join(' ');
}
