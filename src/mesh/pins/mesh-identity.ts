import type { MeshProfile } from '../../policy';

/**
 * What makes a profile this one and no other. Ports that are excluded may change from one start to the next; what
 * existing connections were redirected by may not.
 */
export interface MeshIdentity extends Pick<MeshProfile, 'name' | 'outboundPort' | 'inboundPort' | 'sidecarUid'> {
  /** Null where the mesh has none: a member that is left out is one that a version does not know. */
  readonly passthroughAddress: string | null;
}

/** @internal */
export function meshIdentity({
  name,
  outboundPort,
  inboundPort,
  sidecarUid,
  passthroughAddress,
}: MeshProfile): MeshIdentity {
  return { name, outboundPort, inboundPort, sidecarUid, passthroughAddress: passthroughAddress ?? null };
}

/**
 * The same in words. Earlier versions compare these words: they must not change as long as a rollback to those is to be
 * possible.
 */
export function sentenceOf({ name, outboundPort, inboundPort, sidecarUid, passthroughAddress }: MeshIdentity): string {
  const from = passthroughAddress === null ? '' : `, from ${passthroughAddress}`;
  return `${name} (ports ${outboundPort} and ${inboundPort}, user ${sidecarUid}${from})`;
}

/**
 * What of a pinned mesh differs, in words.
 *
 * @internal
 * @param pinned - the fields that are pinned: a version may know more of them, or fewer
 * @param wanted - what was asked for
 * @returns names and values; `undefined` if it is the same mesh
 */
export function difference(
  pinned: Partial<MeshIdentity>,
  wanted: MeshIdentity,
): { readonly pinned: string; readonly wanted: string } | undefined {
  const keys = (Object.keys(wanted) as (keyof MeshIdentity)[]).filter(
    key => pinned[key] !== undefined && pinned[key] !== wanted[key],
  );
  if (keys.length === 0) return undefined;
  const told = (mesh: Partial<MeshIdentity>): string =>
    ['name' as const, ...keys.filter(key => key !== 'name')]
      .flatMap(key => (mesh[key] === undefined ? [] : [`${key} ${mesh[key] ?? 'none'}`]))
      .join(', ');
  return { pinned: told(pinned), wanted: told(wanted) };
}
