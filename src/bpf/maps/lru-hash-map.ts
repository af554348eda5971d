import type { MapTypeName } from '../types';
import { DeletableMap, checkHash, createHash } from './hash-map';
import type { CreateMapOptions, MapCodecs } from './keyed-map';
import { buildMap, pinnedMap, viewOf, type BpfMap, type MapSource } from './map';

/**
 * A hash map that evicts the least recently used keys to make room for new ones.
 *
 * Eviction is approximate: the kernel keeps lists for each CPU, so it may evict keys before the map is full.
 *
 * Map type: `BPF_MAP_TYPE_LRU_HASH`. Since Linux 4.10; batch operations since Linux 5.6.
 *
 * @see https://docs.kernel.org/bpf/map_hash.html
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
   * Creates a map in the kernel. It exists until it is closed, unless it is pinned or a program uses it.
   *
   * @param options - name, codecs, number of entries and flags of the map
   * @returns the map. The caller closes it
   * @throws TypeError if the name or an option is invalid
   * @throws RangeError if `maxEntries` or `flags` is out of range
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_BPF
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static create<K, V>(options: CreateMapOptions<K, V>): BpfLruHashMap<K, V> {
    return buildMap(createHash('lru_hash', options), source => new BpfLruHashMap(source, options));
  }

  /**
   * Creates a typed view on an existing map.
   *
   * @param map - map of the same type and sizes, usually from a loaded object
   * @param codecs - codecs of the entries
   * @returns the view. It shares the file descriptor of `map` and is closed together with it
   * @throws MapIncompatibleError (`ERR_BPF_MAP_INCOMPATIBLE`) if the type or a size differs
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  static from<K, V>(map: BpfMap, codecs: MapCodecs<K, V>): BpfLruHashMap<K, V> {
    return new BpfLruHashMap(viewOf(map), codecs);
  }

  /**
   * Opens a pinned map.
   *
   * @param path - path of the pin in a BPF file system
   * @param codecs - codecs of the entries
   * @returns the map. The caller closes it; the pin remains
   * @throws MapIncompatibleError (`ERR_BPF_MAP_INCOMPATIBLE`) if the type or a size differs
   * @throws TypeError if the path is not a non-empty string
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the pin cannot be opened; errnoName is `'ENOENT'` if nothing is pinned
   * there, and `'EINVAL'` if the pin is not a map
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if /proc is not mounted
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static fromPin<K, V>(path: string, codecs: MapCodecs<K, V>): BpfLruHashMap<K, V> {
    return buildMap(pinnedMap(path), source => new BpfLruHashMap(source, codecs));
  }
}
