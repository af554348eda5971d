import type { MapTypeName } from '../types';
import { DeletableMap, checkHash, createHash } from './hash-map';
import type { CreateMapOptions, MapCodecs } from './keyed-map';
import { buildMap, pinnedMap, viewOf, type BpfMap, type MapSource } from './map';

/**
 * A hash map that makes room for new keys by evicting those not used for long.
 *
 * Eviction is approximate: the kernel keeps lists per CPU, so keys may leave before the map is quite full.
 *
 * Kernel name: `BPF_MAP_TYPE_LRU_HASH`. Since Linux 4.10; with batches since 5.6.
 *
 * @example
 * ```ts
 * import { BpfLruHashMap, u32, u64 } from 'merbridge/bpf';
 *
 * const seen = BpfLruHashMap.create({ name: 'seen', key: u64, value: u32, maxEntries: 65536 });
 * seen.set(42n, 1).get(42n); // 1
 * seen.close();
 * ```
 */
export class BpfLruHashMap<K, V> extends DeletableMap<K, V> {
  /** @internal */
  static readonly kinds: readonly MapTypeName[] = ['lru_hash'];

  private constructor(source: MapSource, codecs: MapCodecs<K, V>) {
    super(source, codecs);
    checkHash(this, BpfLruHashMap.kinds, codecs);
  }

  /**
   * Creates a map in the kernel. The caller closes it; it ends then, unless it is pinned or a program uses it.
   *
   * @throws PermissionError `ERR_BPF_PERMISSION` without CAP_BPF
   */
  static create<K, V>(options: CreateMapOptions<K, V>): BpfLruHashMap<K, V> {
    return buildMap(createHash('lru_hash', options), source => new BpfLruHashMap(source, options));
  }

  /**
   * A typed view on a map of an object. It is closed with the object.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static from<K, V>(map: BpfMap, codecs: MapCodecs<K, V>): BpfLruHashMap<K, V> {
    return new BpfLruHashMap(viewOf(map), codecs);
  }

  /**
   * Opens a map that is pinned. The caller closes it; the pin stays.
   *
   * @throws BpfError with errnoName `'ENOENT'` when nothing is pinned there
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static fromPin<K, V>(path: string, codecs: MapCodecs<K, V>): BpfLruHashMap<K, V> {
    return buildMap(pinnedMap(path), source => new BpfLruHashMap(source, codecs));
  }
}
