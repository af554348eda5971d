import { BpfLruHashMap } from '../../bpf';
import { mbEndpoint } from '../abi/structs';
import { pendingCodec, type Endpoint, type PendingConnection } from './quadruple';
import type { MapsByName } from './maps-by-name';

/**
 * The original destinations of connections that are being set up: the map `pair_original_dst`, by client.
 *
 * The programs write an entry before the SYN is sent, and again before it is retransmitted. They delete it when the
 * handshake is complete, because the accepting socket itself then stores the answer to SO_ORIGINAL_DST, or when the
 * connection attempt has failed. So this map contains pending connections only. A connection to another pod has two
 * entries, one of them without the port of the client: connection tracking in that pod may change the port.
 *
 * @example
 * ```ts
 * import type { MeshAccelerator } from 'merbridge';
 *
 * export function printPending(mesh: MeshAccelerator): void {
 *   for (const [{ client }, { address, port }] of mesh.pairOriginalDst)
 *     console.log(`${client.address}:${client.port} dialled ${address}:${port}`);
 * }
 * ```
 */
export class PairOriginalDst {
  readonly #map: BpfLruHashMap<PendingConnection, Endpoint>;

  /** @internal */
  constructor(object: MapsByName) {
    this.#map = BpfLruHashMap.from(object.map('pair_original_dst'), { key: pendingCodec, value: mbEndpoint });
  }

  /** Maximum number of pending connections. Beyond it the least recently used entry is evicted. */
  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /**
   * Reads the original destination of a pending connection.
   *
   * @param connection - client and sidecar port of the connection
   * @returns the original destination. `undefined` if the connection is not pending
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the address of the client is invalid
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  get(connection: PendingConnection): Endpoint | undefined {
    return this.#map.get(connection);
  }

  /**
   * Iterates over all pending connections.
   *
   * @returns an iterator over pairs of connection and original destination
   */
  entries(): IterableIterator<[PendingConnection, Endpoint]> {
    return this.#map.entries();
  }

  /**
   * Same as {@link entries}.
   *
   * @returns an iterator over pairs of connection and original destination
   */
  [Symbol.iterator](): IterableIterator<[PendingConnection, Endpoint]> {
    return this.entries();
  }
}
