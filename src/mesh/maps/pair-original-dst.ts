import { BpfLruHashMap } from '../../bpf';
import { mbEndpoint } from '../abi/structs';
import { pendingCodec, type Endpoint, type PendingConnection } from './quadruple';
import type { MapsByName } from './maps-by-name';

/**
 * What was really dialled, by who dials: `pair_original_dst`.
 *
 * An entry is written before the SYN leaves, and again before it is sent again. It is taken out when the handshake is
 * done, because from then on the accepting socket itself keeps the answer to SO_ORIGINAL_DST, or when the dial has
 * failed. So this holds connections that are being set up.
 */
export class PairOriginalDst {
  readonly #map: BpfLruHashMap<PendingConnection, Endpoint>;

  /** @internal */
  constructor(object: MapsByName) {
    this.#map = BpfLruHashMap.from(object.map('pair_original_dst'), { key: pendingCodec, value: mbEndpoint });
  }

  /** How many pending connections fit before the oldest is evicted. */
  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /** What a pending connection dialled; `undefined` if it is not pending. */
  get(connection: PendingConnection): Endpoint | undefined {
    return this.#map.get(connection);
  }

  /** All pending connections. */
  entries(): IterableIterator<[PendingConnection, Endpoint]> {
    return this.#map.entries();
  }

  /** Same as {@link entries}. */
  [Symbol.iterator](): IterableIterator<[PendingConnection, Endpoint]> {
    return this.entries();
  }
}
