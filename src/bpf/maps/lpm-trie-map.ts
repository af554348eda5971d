import type { MapTypeName } from '../types';
import { checkHash, createHash, DeletableMap } from './hash-map';
import type { CreateMapOptions, MapCodecs } from './keyed-map';
import { buildMap, pinnedMap, viewOf, type BpfMap, type MapSource } from './map';

/** BPF_F_NO_PREALLOC of linux/bpf.h. The kernel requires it for a trie. */
const NO_PREALLOC = 1;

/**
 * A trie that finds the entry with the longest prefix of a key, for instance for address ranges (LPM: longest prefix
 * match).
 *
 * A key begins with a `u32` in the byte order of this machine: the length of its prefix in bits. The rest of the key is
 * the data in network byte order. `get`, `has` and lookups of programs take a complete key (with the maximum prefix
 * length) and find the most specific range. `set` and `delete` refer to the entry with exactly this prefix. Bits after
 * the prefix are ignored, and are read as they were stored.
 *
 * Map type: `BPF_MAP_TYPE_LPM_TRIE`. Since Linux 4.11; reading key by key since Linux 4.16; batch operations since
 * Linux 5.13.
 *
 * @see https://docs.kernel.org/bpf/map_lpm_trie.html
 *
 * @example
 * ```ts
 * import { BpfLpmTrieMap, ipAddress, struct, u32 } from 'merbridge/bpf';
 *
 * // IPv4 addresses are ::ffff:a.b.c.d, so their prefixes are longer by 96.
 * const range = struct({ bits: u32, address: ipAddress });
 * const ranges = BpfLpmTrieMap.create({ name: 'ranges', key: range, value: u32, maxEntries: 1024 });
 * ranges.set({ bits: 96 + 8, address: '10.0.0.0' }, 7);
 * ranges.get({ bits: 128, address: '10.1.2.3' }); // 7
 * ranges.close();
 * ```
 */
export class BpfLpmTrieMap<K, V> extends DeletableMap<K, V> {
  /** @internal */
  static readonly kinds: readonly MapTypeName[] = ['lpm_trie'];

  private constructor(source: MapSource, codecs: MapCodecs<K, V>) {
    super(source, codecs);
    checkHash(this, BpfLpmTrieMap.kinds, codecs);
  }

  /**
   * Creates a trie in the kernel. It exists until it is closed, unless it is pinned or a program uses it.
   *
   * @param options - name, codecs, number of entries and flags of the map
   * @returns the map. The caller closes it
   * @throws TypeError if the name or an option is invalid
   * @throws RangeError if `maxEntries` or `flags` is out of range
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_BPF
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static create<K, V>(options: CreateMapOptions<K, V>): BpfLpmTrieMap<K, V> {
    const flags = (options.flags ?? 0) | NO_PREALLOC;
    return buildMap(createHash('lpm_trie', { ...options, flags }), source => new BpfLpmTrieMap(source, options));
  }

  /**
   * Creates a typed view on an existing trie.
   *
   * @param map - map of the same type and sizes, usually from a loaded object
   * @param codecs - codecs of the entries
   * @returns the view. It shares the file descriptor of `map` and is closed together with it
   * @throws MapIncompatibleError (`ERR_BPF_MAP_INCOMPATIBLE`) if the type or a size differs
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  static from<K, V>(map: BpfMap, codecs: MapCodecs<K, V>): BpfLpmTrieMap<K, V> {
    return new BpfLpmTrieMap(viewOf(map), codecs);
  }

  /**
   * Opens a pinned trie.
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
  static fromPin<K, V>(path: string, codecs: MapCodecs<K, V>): BpfLpmTrieMap<K, V> {
    return buildMap(pinnedMap(path), source => new BpfLpmTrieMap(source, codecs));
  }
}
