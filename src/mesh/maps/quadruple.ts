import type { Codec } from '../../codec';
import { mbPendingHandshake, mbTuple } from '../abi/structs';

/** An address with a port. */
export interface Endpoint {
  /** IPv4 as dotted quad, IPv6 in its usual form. */
  readonly address: string;
  /** 0 to 65535, as a plain number. */
  readonly port: number;
}

/** A TCP connection as one of its two sockets sees it: `local` is that socket's own end. */
export interface Quadruple {
  /** This socket's own end. */
  readonly local: Endpoint;
  /** The other end. */
  readonly remote: Endpoint;
  /**
   * Cookie of the network namespace (SO_NETNS_COOKIE) if either address is in 127.0.0.0/8, which repeats from one
   * namespace to the next; otherwise `0n`, which is also the default.
   */
  readonly netns?: bigint | undefined;
  /**
   * Initial sequence number of this socket, as a plain number; default 0. Both numbers are a part of the key: the two
   * ends alone know them, so a socket that somebody opens elsewhere with the same addresses and ports does not have
   * this key.
   */
  readonly localIsn?: number | undefined;
  /** Initial sequence number of the other end; default 0. */
  readonly remoteIsn?: number | undefined;
}

/** A connection that is being set up, as the sidecar that will accept it finds it. */
export interface PendingConnection {
  /** Who dials. Its port is 0 where connection tracking of the pod may put another port into the packets. */
  readonly client: Endpoint;
  /** Initial sequence number of the client, as a plain number. */
  readonly clientIsn: number;
  /** The port of the sidecar to which the connection goes: the outbound or the inbound port of the profile. */
  readonly sidecarPort: number;
  /** As in {@link Quadruple}. */
  readonly netns?: bigint | undefined;
}

/** Addresses are in one form for both families, ports in network byte order. */
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

/** Likewise. */
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
