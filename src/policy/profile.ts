import { ipAddress, toBytes } from '../codec';
import { shown } from '../errors';
import { assertInteger, refuseUnknown } from '../checks';

/**
 * Describes the sidecar of a mesh: the ports, users and addresses in the mesh's own iptables rules. The rules are
 * applied in Istio's order; see {@link PodRules}.
 *
 * @example
 * ```ts
 * import { MeshAccelerator, meshProfiles, type MeshProfile } from 'merbridge';
 *
 * // Istio's rules with other ports, for a sidecar that has no tunnel and connects to its application at 127.0.0.1.
 * const profile: MeshProfile = {
 *   ...meshProfiles.istio,
 *   name: 'own',
 *   outboundPort: 4140,
 *   inboundPort: 4143,
 *   tunnelPort: undefined,
 *   passthroughAddress: undefined,
 * };
 *
 * async function main(): Promise<void> {
 *   await using mesh = await MeshAccelerator.start({ profile, cgroup: '/sys/fs/cgroup/kubepods.slice' });
 *   console.log(mesh.profile.name);
 * }
 * void main();
 * ```
 */
export interface MeshProfile {
  /** Name of the mesh for messages. It is also part of the identity of a pinned mesh. */
  readonly name: string;
  /**
   * Port on which a sidecar accepts connections of its application, 1 to 65535. The sidecar must listen on `0.0.0.0` or
   * `::`.
   */
  readonly outboundPort: number;
  /** Port on which a sidecar accepts connections of others, 1 to 65535. */
  readonly inboundPort: number;
  /** User id of sidecars. */
  readonly sidecarUid: number;
  /** Group id of sidecars. Connections of other processes with this group id are not redirected either. */
  readonly sidecarGid: number;
  /**
   * IPv4 address in 127.0.0.0/8 from which a sidecar connects to its own application; `undefined` if the mesh has none.
   * Without it the sidecar must connect to its application at 127.0.0.1, and that connection is not accelerated:
   * connections to the pod's own address go to its inbound port.
   */
  readonly passthroughAddress: string | undefined;
  /**
   * Port of the mesh's own tunnel, which is never redirected to the inbound port, 1 to 65535. `undefined` if the mesh
   * has none.
   */
  readonly tunnelPort: number | undefined;
  /**
   * At most 16 more ports that are never redirected to the inbound port, such as the sidecar's own health and metrics
   * ports.
   */
  readonly excludedInboundPorts: readonly number[];
}

/** Built-in profiles. */
export const meshProfiles = Object.freeze({
  /** Istio's sidecar mode with its default settings (istio-iptables, istio-cni). */
  istio: Object.freeze({
    name: 'istio',
    outboundPort: 15001,
    inboundPort: 15006,
    sidecarUid: 1337,
    sidecarGid: 1337,
    passthroughAddress: '127.0.0.6',
    tunnelPort: 15008,
    excludedInboundPorts: Object.freeze([15020, 15021, 15090]),
  }) satisfies MeshProfile,
});

/** Name of a built-in profile. */
export type MeshProfileName = keyof typeof meshProfiles;

/** All members are required, so that a misspelt or missing one does not silently mean that the mesh has none. */
const MEMBERS = Object.keys(meshProfiles.istio);

/** Maximum number of excluded ports in the programs: MB_MAX_EXCLUDED. @internal */
export const MAX_EXCLUDED_INBOUND_PORTS = 16;

/**
 * Finds a profile by name, or validates a custom profile.
 *
 * @internal
 * @param profile - a name of {@link meshProfiles}, or a complete profile
 * @returns the profile
 * @throws TypeError if there is no profile of that name, if a property is missing or unknown, or if the passthrough
 *   address is not in 127.0.0.0/8
 * @throws RangeError if a number is out of range
 * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the passthrough address is invalid
 */
export function resolveProfile(profile: MeshProfileName | MeshProfile): MeshProfile {
  if (typeof profile === 'string') {
    if (!Object.hasOwn(meshProfiles, profile))
      throw new TypeError(
        `no mesh profile named '${shown(profile)}'; there is ${Object.keys(meshProfiles).join(', ')}`,
      );
    return meshProfiles[profile];
  }
  if (typeof profile !== 'object' || (profile as unknown) === null)
    throw new TypeError(`profile: must be the name of a profile or a profile, not ${shown(profile)}`);
  refuseUnknown(profile, 'profile', { noun: 'property', known: MEMBERS });
  for (const name of MEMBERS)
    if (!(name in profile)) throw new TypeError(`profile: ${name} is missing; undefined says that the mesh has none`);
  const { outboundPort, inboundPort, tunnelPort, excludedInboundPorts: excluded, passthroughAddress } = profile;
  for (const [name, port] of Object.entries({ outboundPort, inboundPort, tunnelPort }))
    if (port !== undefined || name !== 'tunnelPort') assertInteger(port, 1, 65535, `profile: ${name}`);
  for (const name of ['sidecarUid', 'sidecarGid'] as const)
    assertInteger(profile[name], 0, 0xffffffff, `profile: ${name}`);
  if (outboundPort === inboundPort)
    throw new RangeError(`profile: outboundPort and inboundPort are both ${inboundPort}`);
  if (!Array.isArray(excluded))
    throw new TypeError(`profile: excludedInboundPorts must be an array of ports, not ${shown(excluded)}`);
  if (excluded.length > MAX_EXCLUDED_INBOUND_PORTS)
    throw new RangeError(`profile: at most ${MAX_EXCLUDED_INBOUND_PORTS} excludedInboundPorts, not ${excluded.length}`);
  for (const port of excluded) assertInteger(port, 1, 65535, 'profile: excludedInboundPorts');
  if (passthroughAddress !== undefined) assertLoopback(passthroughAddress);
  return profile;
}

function assertLoopback(address: string): void {
  if (!/^127(\.\d{1,3}){3}$/.test(address))
    throw new TypeError(`profile: passthroughAddress must be in 127.0.0.0/8, not '${shown(address)}'`);
  toBytes(ipAddress, address);
}
