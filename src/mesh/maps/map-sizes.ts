/** Options that are sizes of maps, and the maps. */
export const MAP_SIZES = [
  ['maxPods', 'local_pod_ips', 'pod_rules'],
  ['maxSockets', 'sock_pair_map'],
  ['maxRulePorts', 'pod_rule_ports'],
  ['maxRuleRanges', 'pod_rule_ranges'],
] as const;

/** Name of the option that says how large a map is. @internal */
export function sizeOption(map: string): string | undefined {
  return MAP_SIZES.find(([, ...maps]) => (maps as readonly string[]).includes(map))?.[0];
}
