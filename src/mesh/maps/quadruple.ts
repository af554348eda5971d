import { ipAddress, port, struct, u32, u64, type Codec } from '../../codec';

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
   * Cookie of the network namespace (SO_NETNS_COOKIE) if either address is in 127.0.0.0/8, which repeats from one namespace to
   * the next; otherwise `0n`, which is also the default.
   */
  readonly netns?: bigint;
}

/** struct mb_endpoint of bpf/include/abi.h; its last two bytes are padding. */
export const endpointCodec: Codec<Endpoint> = struct({ address: ipAddress, port });

const layout = struct({ netns: u64, local: ipAddress, remote: ipAddress, localPort: port, remotePort: port, pad: u32 });

/** struct mb_quadruple of bpf/include/abi.h: addresses in one form for both families, ports in network byte order. */
export const quadrupleCodec: Codec<Quadruple> = {
  size: layout.size,
  encode(value, buffer, offset = 0) {
    const { local, remote, netns = 0n } = value;
    layout.encode(
      { netns, local: local.address, remote: remote.address, localPort: local.port, remotePort: remote.port, pad: 0 },
      buffer,
      offset,
    );
  },
  decode(buffer, offset = 0) {
    const raw = layout.decode(buffer, offset);
    return {
      local: { address: raw.local, port: raw.localPort },
      remote: { address: raw.remote, port: raw.remotePort },
      netns: raw.netns,
    };
  },
};
