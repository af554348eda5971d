import type { MeshProfile } from '../../policy';

/**
 * The members of a profile that identify a mesh. Excluded ports may change from one start to the next. Members by which
 * existing connections were redirected may not.
 */
export interface MeshIdentity extends Pick<MeshProfile, 'name' | 'outboundPort' | 'inboundPort' | 'sidecarUid'> {
  /** `null` if the mesh has none. A missing member means that the version that wrote it did not know it. */
  readonly passthroughAddress: string | null;
}

/**
 * Selects the members that identify a mesh.
 *
 * @internal
 * @param profile - the profile
 * @returns its identity
 */
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
 * Describes an identity in one sentence. Earlier versions compare this sentence, so it must not change as long as a
 * rollback to them must be possible.
 *
 * @param identity - the identity
 * @returns the sentence
 */
export function sentenceOf({ name, outboundPort, inboundPort, sidecarUid, passthroughAddress }: MeshIdentity): string {
  const from = passthroughAddress === null ? '' : `, from ${passthroughAddress}`;
  return `${name} (ports ${outboundPort} and ${inboundPort}, user ${sidecarUid}${from})`;
}

/**
 * Describes how a pinned mesh differs from the wanted one.
 *
 * @internal
 * @param pinned - the pinned members. Another version may have pinned more or fewer of them
 * @param wanted - the identity that was asked for
 * @returns names and values of the members that differ. `undefined` if it is the same mesh
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
