import type { Codec } from '../../codec';
import { mbPendingHandshake, mbTuple } from '../abi/structs';

/** An IP address and a port. */
export interface Endpoint {
  /** IPv4 address in dotted-quad notation, or IPv6 address in the notation of RFC 5952. */
  readonly address: string;
  /** Port, 0 to 65535, in host byte order. */
  readonly port: number;
}

/** The 4-tuple of a TCP connection as one of its two sockets sees it, with what makes it unique on this node. */
export interface Quadruple {
  /** Local end of this socket. */
  readonly local: Endpoint;
  /** Remote end of this socket. */
  readonly remote: Endpoint;
  /**
   * Cookie of the network namespace (SO_NETNS_COOKIE) if either address is in 127.0.0.0/8, because every namespace has
   * these addresses. Otherwise `0n`, which is also the default.
   */
  readonly netns?: bigint | undefined;
  /**
   * Initial sequence number of this socket, in host byte order. Default: 0. Both numbers are part of the key. Only the
   * two ends know them, so a socket that is opened elsewhere with the same addresses and ports does not have this key.
   */
  readonly localIsn?: number | undefined;
  /** Initial sequence number of the other end, in host byte order. Default: 0. */
  readonly remoteIsn?: number | undefined;
}

/** A connection that is being set up, in the form in which the accepting sidecar looks it up. */
export interface PendingConnection {
  /** The client that dials. Its port is 0 where connection tracking may change the port in the packets. */
  readonly client: Endpoint;
  /** Initial sequence number of the client, in host byte order. */
  readonly clientIsn: number;
  /** The port of the sidecar to which the connection goes: the outbound or the inbound port of the profile. */
  readonly sidecarPort: number;
  /** As in {@link Quadruple}. */
  readonly netns?: bigint | undefined;
}

/** Codec of `struct mb_tuple`: addresses have 16 bytes for both families, ports are in network byte order. */
export const quadrupleCodec: Codec<Quadruple> = {
  size: mbTuple.size,
  encode(value, buffer, offset = 0) {
    const { local, remote, netns = 0n, localIsn = 0, remoteIsn = 0 } = value;
    mbTuple.encode(
      {
        netns,
        local: local.address,
        remote: remote.address,
        localPort: local.port,
        remotePort: remote.port,
        localIsn,
        remoteIsn,
      },
      buffer,
      offset,
    );
  },
  decode(buffer, offset = 0) {
    const raw = mbTuple.decode(buffer, offset);
    return {
      local: { address: raw.local, port: raw.localPort },
      remote: { address: raw.remote, port: raw.remotePort },
      netns: raw.netns,
      localIsn: raw.localIsn,
      remoteIsn: raw.remoteIsn,
    };
  },
};

/** Codec of `struct mb_pending_handshake`, with the same forms. */
export const pendingCodec: Codec<PendingConnection> = {
  size: mbPendingHandshake.size,
  encode({ client, clientIsn, sidecarPort, netns = 0n }, buffer, offset = 0) {
    mbPendingHandshake.encode(
      { netns, client: client.address, clientPort: client.port, sidecarPort, clientIsn },
      buffer,
      offset,
    );
  },
  decode(buffer, offset = 0) {
    const { client, clientPort, clientIsn, sidecarPort, netns } = mbPendingHandshake.decode(buffer, offset);
    return { client: { address: client, port: clientPort }, clientIsn, sidecarPort, netns };
  },
};
