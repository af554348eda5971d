import { ipAddress, toBytes } from '../codec';
import { shown } from '../errors';
import { assertInteger, refuseUnknown } from './option-checks';

/**
 * What a mesh's sidecar looks like from outside: ports, user and addresses that its own iptables rules are written
 * with. The order of these rules is Istio's, see {@link PodRules}.
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
  /** Name for messages. */
  readonly name: string;
  /** Where a sidecar accepts what its application dials, 1 to 65535. It must listen on `0.0.0.0` or `::`. */
  readonly outboundPort: number;
  /** Where a sidecar accepts what others dial, 1 to 65535. */
  readonly inboundPort: number;
  /** User id that sidecars run as. */
  readonly sidecarUid: number;
  /** Group id whose processes are not redirected either. */
  readonly sidecarGid: number;
  /**
   * IPv4 address in 127.0.0.0/8 from which a sidecar connects to its own application; `undefined` if the mesh has none.
   * Without it the sidecar must connect to its application at 127.0.0.1, and that connection is not accelerated:
   * connections to the pod's own address go to its inbound port.
   */
  readonly passthroughAddress: string | undefined;
  /**
   * Port that is never redirected to the inbound port (the mesh's own tunnel), 1 to 65535; `undefined` if the mesh has
   * none.
   */
  readonly tunnelPort: number | undefined;
  /**
   * More ports that are never redirected to the inbound port, at most 16: the sidecar's own health and metrics ports.
   */
  readonly excludedInboundPorts: readonly number[];
}

/** The meshes whose numbers are known. */
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

/** Name of a profile that the library brings. */
export type MeshProfileName = keyof typeof meshProfiles;

/** Every member has to be there: one that was misspelt or forgotten must not mean that the mesh has none. */
const MEMBERS = Object.keys(meshProfiles.istio);

/** How many excluded ports the programs have room for: MB_MAX_EXCLUDED. @internal */
export const MAX_EXCLUDED_INBOUND_PORTS = 16;

/**
 * Takes a profile by name, or a profile of the caller's own, and checks it.
 *
 * @internal
 * @param profile - a name of {@link meshProfiles}, or a complete profile
 * @throws TypeError if there is no such name, if a property is missing or unknown, or if the passthrough address is not
 *   in 127.0.0.0/8
 * @throws RangeError if a number is out of range
 * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the passthrough address is no address
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
