import { BpfSockHashMap } from '../../bpf';
import { quadrupleCodec, type Quadruple } from './quadruple';
import type { MapsByName } from './maps-by-name';

/**
 * The accelerated sockets of this node: the map `sock_pair_map`. The key of each socket is its own 4-tuple.
 *
 * This object is read-only, because deleting an entry would lose the data that is queued on its socket. The kernel
 * deletes entries when their sockets are closed. To stop acceleration, set {@link MeshAccelerator.acceleration} or that
 * of a pod.
 *
 * @example
 * ```ts
 * import type { MeshAccelerator } from 'merbridge';
 *
 * export function printSockets(mesh: MeshAccelerator): void {
 *   for (const [{ local, remote }, cookie] of mesh.sockPairMap)
 *     console.log(`${local.address}:${local.port} - ${remote.address}:${remote.port}, cookie ${cookie}`);
 * }
 * ```
 */
export class SockPairMap {
  readonly #map: BpfSockHashMap<Quadruple>;

  /** @internal */
  constructor(object: MapsByName) {
    this.#map = BpfSockHashMap.from(object.map('sock_pair_map'), { key: quadrupleCodec });
  }

  /** Maximum number of sockets. A connection has two. Further sockets stay on the TCP stack. */
  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /**
   * Reads the cookie of a socket.
   *
   * @param socket - its 4-tuple
   * @returns its cookie (SO_COOKIE). `undefined` if it is not accelerated
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if an address is invalid
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  get(socket: Quadruple): bigint | undefined {
    return this.#map.get(socket);
  }

  /**
   * Tells whether a socket is in the map.
   *
   * @param socket - its 4-tuple
   * @returns whether it is accelerated
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if an address is invalid
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  has(socket: Quadruple): boolean {
    return this.#map.has(socket);
  }

  /**
   * Iterates over all sockets. The kernel has no batch operation for this type of map, so each entry takes a system
   * call.
   *
   * @returns an iterator over pairs of 4-tuple and cookie
   */
  entries(): IterableIterator<[Quadruple, bigint]> {
    return this.#map.entries();
  }

  /**
   * Same as {@link entries}.
   *
   * @returns an iterator over pairs of 4-tuple and cookie
   */
  [Symbol.iterator](): IterableIterator<[Quadruple, bigint]> {
    return this.entries();
  }

  /** @internal */
  get map(): BpfSockHashMap<Quadruple> {
    return this.#map;
  }
}
