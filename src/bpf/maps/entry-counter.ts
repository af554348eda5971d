import { bytes } from '../../codec';
import { DeletableMap } from './hash-map';
import type { MapCodecs } from './keyed-map';
import { requireMap, viewOf, type BpfMap, type MapSource } from './map';

/**
 * Counts the entries of a map of any kind that has keys, whatever is in them. The kernel does not tell the number, so
 * the whole map is read: with batches 0.3 µs an entry (Linux 5.6; LRU and LPM as well), one by one about 2 µs.
 */
export class EntryCounter extends DeletableMap<Uint8Array, Uint8Array> {
  private constructor(source: MapSource, codecs: MapCodecs<Uint8Array, Uint8Array>) {
    super(source, codecs);
  }

  /** A view on a map, closed with it. */
  static from(map: BpfMap): EntryCounter {
    const view = new EntryCounter(viewOf(map), { key: bytes(map.keySize), value: bytes(map.valueSize) });
    requireMap(view, { types: ['hash', 'lru_hash', 'lpm_trie', 'sockhash', 'hash_of_maps'] });
    return view;
  }
}
