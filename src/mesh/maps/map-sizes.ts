/** Options that are sizes of maps, the maps, and the size where neither the caller nor a pinned mesh says one. */
const SIZES = {
  maxPods: { maps: ['local_pod_ips', 'pod_rules'], default: 16_384 },
  maxSockets: { maps: ['sock_pair_map'], default: 65_536 },
  maxRulePorts: { maps: ['pod_rule_ports'], default: 131_072 },
  maxRuleRanges: { maps: ['pod_rule_ranges'], default: 262_144 },
} as const;

type SizeOption = keyof typeof SIZES;
const OPTIONS = Object.keys(SIZES) as SizeOption[];

/** Sizes that the caller asked for. @internal */
export type MapSizes = { readonly [option in SizeOption]: number | undefined };

/** Every size, those that nobody asked for by their defaults. @internal */
export function sizesWithDefaults(asked: MapSizes): { readonly [option in SizeOption]: number } {
  const sizes = OPTIONS.map(option => [option, asked[option] ?? SIZES[option].default]);
  return Object.fromEntries(sizes) as Record<SizeOption, number>;
}

/** Names of the maps whose size the caller asked for: a pinned one of another size is not taken. @internal */
export function askedMaps(asked: MapSizes): ReadonlySet<string> {
  return new Set(OPTIONS.flatMap(option => (asked[option] === undefined ? [] : SIZES[option].maps)));
}

/** Name of the option that says how large a map is. @internal */
export function sizeOption(map: string): string | undefined {
  return OPTIONS.find(option => (SIZES[option].maps as readonly string[]).includes(map));
}
