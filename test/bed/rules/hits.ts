import type { Pod } from '../pod';

const RULES = {
  'outbound port excluded': /^ISTIO_OUTPUT -p tcp -m tcp --dport \d+ -j RETURN$/,
  'from the passthrough address': /^ISTIO_OUTPUT -s 127\.0\.0\.6\/32 -o lo -j RETURN$/,
  'sidecar to its own pod': /^ISTIO_OUTPUT .*--uid-owner 1337 -j ISTIO_IN_REDIRECT$/,
  'application within its pod': /^ISTIO_OUTPUT -o lo .*! --[ug]id-owner 1337 -j RETURN$/,
  sidecar: /^ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN$/,
  "sidecar's group to its own pod": /^ISTIO_OUTPUT .*--gid-owner 1337 -j ISTIO_IN_REDIRECT$/,
  "sidecar's group": /^ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN$/,
  '127.0.0.1': /^ISTIO_OUTPUT -d 127\.0\.0\.1\/32 -j RETURN$/,
  'outbound range excluded': /^ISTIO_OUTPUT (-d \S+ )?-j RETURN$/,
  'outbound port included': /^ISTIO_OUTPUT -p tcp -m tcp --dport \d+ -j ISTIO_REDIRECT$/,
  'outbound range included': /^ISTIO_OUTPUT -d \S+ -j ISTIO_REDIRECT$/,
  'all outbound': /^ISTIO_OUTPUT -j ISTIO_REDIRECT$/,
  'inbound port excluded, or the tunnel': /^ISTIO_INBOUND -p tcp -m tcp --dport \d+ -j RETURN$/,
  'inbound port included': /^ISTIO_INBOUND -p tcp -m tcp --dport \d+ -j ISTIO_IN_REDIRECT$/,
  'all inbound': /^ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT$/,
} as const;

/** The rules of Istio's that decide, by what they are for. */
export type DecidingRule = keyof typeof RULES;
export const DECIDING_RULES = Object.keys(RULES) as readonly DecidingRule[];

/** How many connections each rule decided since the rules were written: netfilter asks the nat table once for each. */
export function ruleHits(pod: Pod): Map<DecidingRule, number> {
  const lines = pod
    .admin('iptables-save', ['-c', '-t', 'nat'])
    .split('\n')
    .map(line => /^\[(\d+):\d+\] -A (ISTIO_(?:OUTPUT|INBOUND) .*)$/.exec(line) ?? []);
  return new Map(
    DECIDING_RULES.map(name => [
      name,
      lines.reduce((sum, [, count, rule]) => sum + (rule && RULES[name].test(rule) ? Number(count) : 0), 0),
    ]),
  );
}
