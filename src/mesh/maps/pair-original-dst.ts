import { BpfLruHashMap } from '../../bpf';
import { endpointCodec, quadrupleCodec, type Endpoint, type Quadruple } from './quadruple';
import type { MapsByName } from './maps-by-name';

/**
 * What was really dialled, by the quadruple that the accepting sidecar sees: `pair_original_dst`.
 *
 * An entry is written before the SYN leaves and taken out when the handshake is done, because from then on the accepting socket
 * itself keeps the answer to SO_ORIGINAL_DST. So this holds connections that are being set up, and those whose handshake failed until
 * they are evicted as least recently used.
 */
export class PairOriginalDst {
  readonly #map: BpfLruHashMap<Quadruple, Endpoint>;

  /** @internal */
  constructor(object: MapsByName) {
    this.#map = BpfLruHashMap.from(object.map('pair_original_dst'), { key: quadrupleCodec, value: endpointCodec });
  }

  /** How many pending connections fit before the oldest is evicted. */
  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /** What a pending connection dialled; `undefined` if it is not pending. */
  get(accepted: Quadruple): Endpoint | undefined {
    return this.#map.get(accepted);
  }

  /** All pending connections. */
  entries(): IterableIterator<[Quadruple, Endpoint]> {
    return this.#map.entries();
  }

  /** Same as {@link entries}. */
  [Symbol.iterator](): IterableIterator<[Quadruple, Endpoint]> {
    return this.entries();
  }
}
