import { ipAddress, toBytes, type Codec } from '../../codec';
import { MAX_EXCLUDED_INBOUND_PORTS, type MeshProfile } from '../../policy';
import { mbConstant } from '../abi/enums';
import { mbProfile } from '../abi/structs';
import type { BufferSizes } from './buffer-sizes';

/** A profile together with the limits that the programs enforce. */
export interface ProgramSettings extends BufferSizes {
  readonly profile: MeshProfile;
  /** Whether the kernel charges redirected bytes to their receiver. If not, the programs count them. */
  readonly charged: boolean;
  /** Seconds between TCP keepalive probes on an idle connection between two pods. 0 means no probes. */
  readonly keepAlive: number;
  /** Whether this CPU may execute a read before an earlier atomic operation that returns no value. */
  readonly weaklyOrdered: boolean;
}

// This does not compile if the limit in the programs differs from that of a profile.
void (mbConstant.maxExcluded satisfies typeof MAX_EXCLUDED_INBOUND_PORTS);

/**
 * Codec of `struct mb_profile`, for writing only. 0 means no tunnel port or no passthrough address, because no
 * connection has port 0 or address 0.0.0.0.
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
