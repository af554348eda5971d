import { ipAddress, toBytes, type Codec } from '../../codec';
import { MAX_EXCLUDED_INBOUND_PORTS, type MeshProfile } from '../../policy';
import { mbConstant } from '../abi/enums';
import { mbProfile } from '../abi/structs';
import type { BufferSizes } from './buffer-sizes';

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

// Another bound in the programs than in a profile does not compile.
void (mbConstant.maxExcluded satisfies typeof MAX_EXCLUDED_INBOUND_PORTS);

/**
 * `struct mb_profile`, for writing only. A tunnel port or a passthrough address of 0 is none: no connection has port 0
 * or 0.0.0.0.
 */
export const programSettingsCodec: Codec<ProgramSettings> = {
  size: mbProfile.size,
  encode({ profile, charged, keepAlive, weaklyOrdered, backlogLimit, receiveBuffer, sendBuffer }, buffer, offset = 0) {
    const { passthroughAddress: passthrough, excludedInboundPorts: excluded } = profile;
    mbProfile.encode(
      {
        sidecarUid: profile.sidecarUid,
        sidecarGid: profile.sidecarGid,
        passthrough: passthrough === undefined ? 0 : toBytes(ipAddress, passthrough).readUInt32BE(12),
        outboundPort: profile.outboundPort,
        inboundPort: profile.inboundPort,
        tunnelPort: profile.tunnelPort ?? 0,
        excludedCount: excluded.length,
        excludedInbound: Array.from({ length: MAX_EXCLUDED_INBOUND_PORTS }, (_, i) => excluded[i] ?? 0),
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
