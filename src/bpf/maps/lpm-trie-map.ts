import type { MapTypeName } from '../types';
import { checkHash, createHash, DeletableMap } from './hash-map';
import type { CreateMapOptions, MapCodecs } from './keyed-map';
import { buildMap, pinnedMap, viewOf, type BpfMap, type MapSource } from './map';

/** BPF_F_NO_PREALLOC of linux/bpf.h: the kernel refuses a trie without it. */
const NO_PREALLOC = 1;

/**
 * A trie that finds the entry with the longest prefix that a key begins with: address ranges.
 *
 * A key begins with its prefix length: a `u32` in bits, of all that follows in the key, in network byte order as far as
 * the prefix goes. `get`, `has` and what programs look up take a whole key (with the longest prefix length) and find
 * the best range; `set` and `delete` mean the entry with just that prefix. Bits behind the prefix do not matter, and
 * come back as they were stored.
 *
 * Kernel name: `BPF_MAP_TYPE_LPM_TRIE`. Since Linux 4.11; read key by key since 4.16, in batches since 5.13.
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
   * Creates a trie in the kernel. The caller closes it; it ends then, unless it is pinned or a program uses it.
   *
   * @throws PermissionError `ERR_BPF_PERMISSION` without CAP_BPF
   */
  static create<K, V>(options: CreateMapOptions<K, V>): BpfLpmTrieMap<K, V> {
    const flags = (options.flags ?? 0) | NO_PREALLOC;
    return buildMap(createHash('lpm_trie', { ...options, flags }), source => new BpfLpmTrieMap(source, options));
  }

  /**
   * A typed view on a trie of an object. It is closed with the object.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static from<K, V>(map: BpfMap, codecs: MapCodecs<K, V>): BpfLpmTrieMap<K, V> {
    return new BpfLpmTrieMap(viewOf(map), codecs);
  }

  /**
   * Opens a trie that is pinned. The caller closes it; the pin stays.
   *
   * @throws BpfError with errnoName `'ENOENT'` when nothing is pinned there
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static fromPin<K, V>(path: string, codecs: MapCodecs<K, V>): BpfLpmTrieMap<K, V> {
    return buildMap(pinnedMap(path), source => new BpfLpmTrieMap(source, codecs));
  }
}
