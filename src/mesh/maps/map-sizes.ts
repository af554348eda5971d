import type { MeshAcceleratorOptions } from '../mesh-options';

/** Options that are sizes of maps, and the maps. */
export const MAP_SIZES = [
  ['maxPods', 'local_pod_ips', 'pod_rules'],
  ['maxSockets', 'sock_pair_map'],
  ['maxRulePorts', 'pod_rule_ports'],
  ['maxRuleRanges', 'pod_rule_ranges'],
] as const satisfies readonly (readonly [keyof MeshAcceleratorOptions, ...string[]])[];

/** Name of the option that says how large a map is. @internal */
export function sizeOption(map: string): keyof MeshAcceleratorOptions | undefined {
  return MAP_SIZES.find(([, ...maps]) => (maps as readonly string[]).includes(map))?.[0];
}
