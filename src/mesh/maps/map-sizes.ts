/** Options that set the size of maps, these maps, and the size if neither the caller nor a pinned mesh sets one. */
const SIZES = {
  maxPods: { maps: ['local_pod_ips', 'pod_rules'], default: 16_384 },
  maxSockets: { maps: ['sock_pair_map'], default: 65_536 },
  maxRulePorts: { maps: ['pod_rule_ports'], default: 131_072 },
  maxRuleRanges: { maps: ['pod_rule_ranges'], default: 262_144 },
} as const;

type SizeOption = keyof typeof SIZES;
const OPTIONS = Object.keys(SIZES) as SizeOption[];

/** Sizes that the caller asked for. `undefined` for the others. @internal */
export type MapSizes = { readonly [option in SizeOption]: number | undefined };

/**
 * Fills in the default sizes.
 *
 * @internal
 * @param asked - sizes that the caller asked for
 * @returns all sizes
 */
export function sizesWithDefaults(asked: MapSizes): { readonly [option in SizeOption]: number } {
  const sizes = OPTIONS.map(option => [option, asked[option] ?? SIZES[option].default]);
  return Object.fromEntries(sizes) as Record<SizeOption, number>;
}

/**
 * Lists the maps whose size the caller asked for. A pinned map of another size is not reused for them.
 *
 * @internal
 * @param asked - sizes that the caller asked for
 * @returns names of the maps
 */
export function askedMaps(asked: MapSizes): ReadonlySet<string> {
  return new Set(OPTIONS.flatMap(option => (asked[option] === undefined ? [] : SIZES[option].maps)));
}

/**
 * Finds the option that sets the size of a map.
 *
 * @internal
 * @param map - name of the map
 * @returns name of the option. `undefined` if there is none
 */
export function sizeOption(map: string): string | undefined {
  return OPTIONS.find(option => (SIZES[option].maps as readonly string[]).includes(map));
}
