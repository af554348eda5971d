import { Errno } from '../../errors';
import { systemError } from '../../native';
import { refuseUnknown } from '../../checks';
import type { MapTypeName } from '../types';
import { deleteEntries } from './batch';
import { CREATE_OPTIONS, KeyedMap, type CreateMapOptions, type MapCodecs } from './keyed-map';
import { buildMap, createMap, pinnedMap, requireMap, viewOf, type BpfMap, type MapSource } from './map';

/**
 * Base class of maps whose entries can be deleted: hash maps, LRU maps, LPM tries and socket maps.
 *
 * @example
 * ```ts
 * import type { DeletableMap } from 'merbridge/bpf';
 *
 * function forget(map: DeletableMap<string, number>, keys: readonly string[]): void {
 *   console.log(`${map.deleteMany(keys)} of ${keys.length} keys existed, ${map.count()} are left`);
 * }
 * ```
 */
export abstract class DeletableMap<K, V> extends KeyedMap<K, V> {
  /**
   * Deletes the entry of a key.
   *
   * Command: `BPF_MAP_DELETE_ELEM` of bpf(2).
   *
   * @param key - key of the entry
   * @returns whether the entry existed
   * @throws TypeError or RangeError if the codec cannot encode the key
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
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
   * Deletes the entries of many keys, with as few system calls as the kernel allows. Keys that do not exist are
   * skipped.
   *
   * Command: `BPF_MAP_DELETE_BATCH` of bpf(2), since Linux 5.6; one by one before.
   *
   * @param keys - keys of the entries
   * @returns number of deleted entries
   * @throws TypeError or RangeError if the codec cannot encode the key
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  deleteMany(keys: Iterable<K>): number {
    this.ensureOpen();
    const list = Array.isArray(keys) ? (keys as K[]) : [...keys];
    const bytes = Buffer.alloc(list.length * this.keySize);
    list.forEach((key, index) => this.keyCodec.encode(key, bytes, index * this.keySize));
    return list.length === 0 ? 0 : deleteEntries(this.batchMap, bytes, list.length);
  }

  /**
   * Deletes all entries that exist at the time of the call.
   *
   * @returns number of deleted entries
   * @throws IterationAbortedError (`ERR_BPF_ITERATION_ABORTED`) if the map changes faster than it can be read
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
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

  /**
   * Counts the entries. The kernel does not report the number, so this reads the whole map.
   *
   * @returns number of entries
   * @throws IterationAbortedError (`ERR_BPF_ITERATION_ABORTED`) if the map changes faster than it can be read
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  count(): number {
    let total = 0;
    for (const { count } of this.batches({})) total += count;
    return total;
  }
}

/**
 * A hash map.
 *
 * If it is full, storing a new key throws a MapFullError (`ERR_BPF_MAP_FULL`). {@link BpfLruHashMap} evicts old entries
 * instead.
 *
 * Map type: `BPF_MAP_TYPE_HASH`. Since Linux 3.19; batch operations since Linux 5.6.
 *
 * @see https://docs.kernel.org/bpf/map_hash.html
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
  static create<K, V>(options: CreateMapOptions<K, V>): BpfHashMap<K, V> {
    return buildMap(createHash('hash', options), source => new BpfHashMap(source, options));
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
  static from<K, V>(map: BpfMap, codecs: MapCodecs<K, V>): BpfHashMap<K, V> {
    return new BpfHashMap(viewOf(map), codecs);
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
  static fromPin<K, V>(path: string, codecs: MapCodecs<K, V>): BpfHashMap<K, V> {
    return buildMap(pinnedMap(path), source => new BpfHashMap(source, codecs));
  }
}

/** @internal */
export function createHash<K, V>(type: 'hash' | 'lru_hash' | 'lpm_trie', options: CreateMapOptions<K, V>): MapSource {
  refuseUnknown(options, 'create', { known: CREATE_OPTIONS });
  const { name, key, value, maxEntries, flags } = options;
  return createMap(type, { name, keySize: key.size, valueSize: value.size, maxEntries, flags });
}

/** @internal */
export function checkHash<K, V>(map: BpfMap, types: readonly MapTypeName[], codecs: MapCodecs<K, V>): void {
  // A plain value is too small for a per-CPU map, so reading would write past its end. The message names the class to
  // use.
  const hint = map.type.includes('percpu')
    ? 'a per-CPU map has one value for each CPU; use BpfPerCpuArrayMap'
    : undefined;
  requireMap(map, { types, keySize: codecs.key.size, valueSize: codecs.value.size }, hint);
}
