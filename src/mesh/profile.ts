import { ipAddress, type Codec } from '../codec';
import { shown } from '../errors';
import { mbConstant } from './abi/enums';
import { mbProfile } from './abi/structs';
import type { BufferSizes } from './buffer-sizes';

/**
 * What a mesh's sidecar looks like from outside: ports, user and addresses that its own iptables rules are written
 * with.
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
  /** IPv4 address in 127.0.0.0/8 from which a sidecar dials its own application. */
  readonly passthroughAddress: string;
  /** Port that is never redirected to the inbound port (the mesh's own tunnel). */
  readonly tunnelPort: number;
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

const { maxExcluded } = mbConstant;

/** A profile with the bounds that the programs keep. */
export interface ProgramSettings extends BufferSizes {
  readonly profile: MeshProfile;
  /** Whether the kernel charges redirected bytes to their receiver; otherwise the programs keep the account. */
  readonly charged: boolean;
  /** Seconds between the probes on an idle hop between pods; 0: none. */
  readonly keepAlive: number;
  /** Whether this machine may read ahead of an atomic operation that returns nothing. */
  readonly weaklyOrdered: boolean;
}

/** For writing only. */
export const programSettingsCodec: Codec<ProgramSettings> = {
  size: mbProfile.size,
  encode({ profile, charged, keepAlive, weaklyOrdered, backlogLimit, receiveBuffer, sendBuffer }, buffer, offset = 0) {
    const address = Buffer.alloc(ipAddress.size);
    ipAddress.encode(profile.passthroughAddress, address, 0);
    const { excludedInboundPorts: excluded } = profile;
    mbProfile.encode(
      {
        sidecarUid: profile.sidecarUid,
        sidecarGid: profile.sidecarGid,
        passthrough: address.readUInt32BE(12),
        outboundPort: profile.outboundPort,
        inboundPort: profile.inboundPort,
        tunnelPort: profile.tunnelPort,
        excludedCount: excluded.length,
        excludedInbound: Array.from({ length: maxExcluded }, (_, i) => excluded[i] ?? 0),
        backlogLimit,
        receiveBuffer,
        sendBuffer,
        charged: Number(charged),
        keepAlive,
        weaklyOrdered: Number(weaklyOrdered),
      },
      buffer,
      offset,
    );
  },
  decode() {
    throw new TypeError('the settings of the programs are written, never read');
  },
};

/**
 * Takes a profile by name, or a profile of the caller's own, and checks it.
 *
 * @param profile - a name of {@link meshProfiles}, or a complete profile
 * @throws TypeError if there is no such name or an address is not IPv4 loopback
 * @throws RangeError if a number is out of range
 */
export function resolveProfile(profile: MeshProfileName | MeshProfile): MeshProfile {
  if (typeof profile === 'string') {
    if (!Object.hasOwn(meshProfiles, profile))
      throw new TypeError(
        `no mesh profile named '${shown(profile)}'; there is ${Object.keys(meshProfiles).join(', ')}`,
      );
    return meshProfiles[profile];
  }
  for (const key of ['outboundPort', 'inboundPort', 'tunnelPort'] as const) assertInteger(key, profile[key], 1, 65535);
  for (const key of ['sidecarUid', 'sidecarGid'] as const) assertInteger(key, profile[key], 0, 0xffffffff);
  if (profile.outboundPort === profile.inboundPort)
    throw new RangeError(`profile: outboundPort and inboundPort are both ${profile.inboundPort}`);
  if (profile.excludedInboundPorts.length > maxExcluded)
    throw new RangeError(
      `profile: at most ${maxExcluded} excludedInboundPorts, not ${profile.excludedInboundPorts.length}`,
    );
  for (const port of profile.excludedInboundPorts) assertInteger('excludedInboundPorts', port, 1, 65535);
  if (!/^127(\.\d{1,3}){3}$/.test(profile.passthroughAddress))
    throw new TypeError(
      `profile: passthroughAddress must be in 127.0.0.0/8, not '${shown(profile.passthroughAddress)}'`,
    );
  ipAddress.encode(profile.passthroughAddress, Buffer.alloc(ipAddress.size), 0);
  return profile;
}

function assertInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new RangeError(`profile: ${name} must be an integer from ${min} to ${max}, not ${shown(value)}`);
}
