import { Errno } from '../../errors';
import { systemError } from '../../native';
import { checkOptions } from '../options';
import type { MapTypeName } from '../types';
import { deleteEntries } from './batch';
import { CREATE_OPTIONS, KeyedMap, type CreateMapOptions, type MapCodecs } from './keyed-map';
import { buildMap, createMap, pinnedMap, requireMap, viewOf, type BpfMap, type MapSource } from './map';

/** What hash maps have beyond other maps: entries that can be deleted. */
export abstract class DeletableMap<K, V> extends KeyedMap<K, V> {
  /**
   * Removes the entry of a key.
   *
   * @returns whether it was there
   */
  delete(key: K): boolean {
    this.ensureOpen();
    this.keyCodec.encode(key, this.calls.key, 0);
    const result = this.calls.delete();
    if (result === 0) return true;
    if (result === -Errno.ENOENT) return false;
    throw systemError(-result, { operation: 'bpf_map_delete_elem', subject: this.label });
  }

  /**
   * Removes the entries of many keys, with as few system calls as the kernel allows. Keys that are not there are passed
   * over.
   *
   * @returns how many entries were removed
   */
  deleteMany(keys: Iterable<K>): number {
    this.ensureOpen();
    const list = Array.isArray(keys) ? (keys as K[]) : [...keys];
    const bytes = Buffer.alloc(list.length * this.keySize);
    list.forEach((key, index) => this.keyCodec.encode(key, bytes, index * this.keySize));
    return list.length === 0 ? 0 : deleteEntries(this.batchMap, bytes, list.length);
  }

  /**
   * Removes all entries that are there when it is called.
   *
   * @returns how many entries were removed
   */
  clear(): number {
    const parts: Buffer[] = [];
    let total = 0;
    for (const { keys, count } of this.batches({})) {
      parts.push(Buffer.from(keys.subarray(0, count * this.keySize)));
      total += count;
    }
    return total === 0 ? 0 : deleteEntries(this.batchMap, Buffer.concat(parts), total);
  }

  /** Counts the entries. Reads the whole map: the kernel does not tell the number. */
  count(): number {
    let total = 0;
    for (const { count } of this.batches({})) total += count;
    return total;
  }
}

/**
 * A hash map.
 *
 * Full means full: storing another key throws `ERR_BPF_MAP_FULL`. For one that evicts see {@link BpfLruHashMap}.
 *
 * Kernel name: `BPF_MAP_TYPE_HASH`. Since Linux 3.19; with batches since 5.6.
 *
 * @example
 * ```ts
 * import { BpfHashMap, ipAddress, u32 } from 'merbridge/bpf';
 *
 * const pods = BpfHashMap.create({ name: 'pods', key: ipAddress, value: u32, maxEntries: 1024 });
 * pods.set('10.0.0.9', 1);
 * pods.setMany([['10.0.0.10', 1], ['10.0.0.11', 2]]);
 * for (const [address, flags] of pods) console.log(address, flags);
 * pods.delete('10.0.0.9'); // true
 * pods.close();
 * ```
 */
export class BpfHashMap<K, V> extends DeletableMap<K, V> {
  /** @internal */
  static readonly kinds: readonly MapTypeName[] = ['hash'];

  private constructor(source: MapSource, codecs: MapCodecs<K, V>) {
    super(source, codecs);
    checkHash(this, BpfHashMap.kinds, codecs);
  }

  /**
   * Creates a map in the kernel. The caller closes it; it ends then, unless it is pinned or a program uses it.
   *
   * @throws PermissionError `ERR_BPF_PERMISSION` without CAP_BPF
   */
  static create<K, V>(options: CreateMapOptions<K, V>): BpfHashMap<K, V> {
    return buildMap(createHash('hash', options), source => new BpfHashMap(source, options));
  }

  /**
   * A typed view on a map of an object. It is closed with the object.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static from<K, V>(map: BpfMap, codecs: MapCodecs<K, V>): BpfHashMap<K, V> {
    return new BpfHashMap(viewOf(map), codecs);
  }

  /**
   * Opens a map that is pinned. The caller closes it; the pin stays.
   *
   * @throws BpfError with errnoName `'ENOENT'` when nothing is pinned there
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static fromPin<K, V>(path: string, codecs: MapCodecs<K, V>): BpfHashMap<K, V> {
    return buildMap(pinnedMap(path), source => new BpfHashMap(source, codecs));
  }
}

/** @internal */
export function createHash<K, V>(type: 'hash' | 'lru_hash' | 'lpm_trie', options: CreateMapOptions<K, V>): MapSource {
  checkOptions(options, CREATE_OPTIONS, 'create');
  const { name, key, value, maxEntries, flags } = options;
  return createMap(type, { name, keySize: key.size, valueSize: value.size, maxEntries, flags });
}

/** @internal */
export function checkHash<K, V>(map: BpfMap, types: readonly MapTypeName[], codecs: MapCodecs<K, V>): void {
  // Reading a per-CPU map into a plain value would write past its end; the message names what to use instead.
  const hint = map.type.includes('percpu')
    ? 'values of a per-CPU map are one per CPU; use the class for it'
    : undefined;
  requireMap(map, { types, keySize: codecs.key.size, valueSize: codecs.value.size }, hint);
}
