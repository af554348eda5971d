import { BpfSockHashMap } from '../../bpf';
import { quadrupleCodec, type Quadruple } from './quadruple';
import type { MapsByName } from './maps-by-name';

/**
 * The accelerated sockets of this node: `sock_pair_map`, each under its own quadruple.
 *
 * It is for looking, not for deleting: what is queued on a socket is lost with its key. Entries leave when their
 * sockets are closed. To stop acceleration, set {@link MeshAccelerator.acceleration} or a pod's.
 */
export class SockPairMap {
  readonly #map: BpfSockHashMap<Quadruple>;

  /** @internal */
  constructor(object: MapsByName) {
    this.#map = BpfSockHashMap.from(object.map('sock_pair_map'), { key: quadrupleCodec });
  }

  /** How many sockets fit; a connection has two. Those beyond stay on the TCP stack. */
  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /** Cookie (SO_COOKIE) of the socket with this quadruple; `undefined` if it is not accelerated. */
  get(socket: Quadruple): bigint | undefined {
    return this.#map.get(socket);
  }

  /** Whether the socket with this quadruple is in the map. */
  has(socket: Quadruple): boolean {
    return this.#map.has(socket);
  }

  /** All sockets with their cookies. The kernel has no batch operation for this kind of map: one call an entry. */
  entries(): IterableIterator<[Quadruple, bigint]> {
    return this.#map.entries();
  }

  /** Same as {@link entries}. */
  [Symbol.iterator](): IterableIterator<[Quadruple, bigint]> {
    return this.entries();
  }

  /** @internal */
  get map(): BpfSockHashMap<Quadruple> {
    return this.#map;
  }
}
