import { u32, type Codec } from '../../codec';
import { refuseUnknown } from '../../checks';
import { checkHash } from './hash-map';
import { KeyedMap, type SetOptions } from './keyed-map';
import { buildMap, createMap, pinnedMap, viewOf, type BpfMap, type MapSource } from './map';

/** Codec of the values of an array map. */
export interface ArrayMapCodecs<V> {
  /** Codec of the values. Its size must equal the value size of the map. */
  value: Codec<V>;
}

/** Options for a new array map. */
export interface CreateArrayMapOptions<V> extends ArrayMapCodecs<V> {
  /** Name of the map: letters, digits, "_" and ".". The kernel keeps the first 15 bytes. */
  name: string;
  /** Number of entries. */
  maxEntries: number;
  /** Flags: `BPF_F_*` of linux/bpf.h. Default: 0. */
  flags?: number | undefined;
}

/**
 * Base class of array maps. Keys are indices from 0. An index beyond the end is a RangeError, not a full map.
 *
 * @example
 * ```ts
 * import type { IndexedMap } from 'merbridge/bpf';
 *
 * function reset(map: IndexedMap<number>): void {
 *   for (let index = 0; index < map.length; index++) map.set(index, 0);
 * }
 * ```
 */
export abstract class IndexedMap<V> extends KeyedMap<number, V> {
  /** Number of entries. All of them always exist. */
  get length(): number {
    return this.maxEntries;
  }

  /**
   * Returns the value at an index.
   *
   * @param index - index from 0
   * @returns the value, or `undefined` beyond the end
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  override get(index: number): V | undefined {
    return this.#inside(index) ? super.get(index) : undefined;
  }

  /**
   * Tests whether an index is less than the length.
   *
   * @param index - index from 0
   * @returns whether the entry exists
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  override has(index: number): boolean {
    return this.#inside(index);
  }

  /**
   * Stores a value at an index.
   *
   * @param index - index from 0
   * @param value - value to store
   * @param options - `mode`: array entries always exist, so `'create'` fails
   * @returns this map
   * @throws RangeError if the index is beyond the end
   * @throws TypeError or RangeError if a codec cannot encode the key or the value
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; errnoName is `'EEXIST'` in mode `'create'`
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  override set(index: number, value: V, options?: SetOptions): this {
    this.#require(index);
    return super.set(index, value, options);
  }

  /**
   * Stores many values.
   *
   * @param entries - pairs of index and value
   * @param options - `mode`: array entries always exist, so `'create'` fails
   * @returns number of stored values
   * @throws RangeError if an index is beyond the end; nothing is stored then
   * @throws TypeError or RangeError if a codec cannot encode the key or the value
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  override setMany(entries: Iterable<readonly [number, V]>, options?: SetOptions): number {
    const list = [...entries];
    for (const [index] of list) this.#require(index);
    return super.setMany(list, options);
  }

  #inside(index: number): boolean {
    this.ensureOpen();
    return Number.isInteger(index) && index >= 0 && index < this.maxEntries;
  }

  #require(index: number): void {
    if (!this.#inside(index)) {
      throw new RangeError(`${this.label}: index 0 to ${this.maxEntries - 1} is needed, got ${String(index)}`);
    }
  }
}

/**
 * An array of fixed length. All entries exist from the start with zero as their value. They cannot be deleted.
 *
 * Map type: `BPF_MAP_TYPE_ARRAY`. Since Linux 3.19; batch operations since Linux 5.6.
 *
 * @see https://docs.kernel.org/bpf/map_array.html
 *
 * @example
 * ```ts
 * import { BpfArrayMap, u64 } from 'merbridge/bpf';
 *
 * const limits = BpfArrayMap.create({ name: 'limits', value: u64, maxEntries: 4 });
 * limits.set(0, 6291456n);
 * console.log([...limits.values()]); // [ 6291456n, 0n, 0n, 0n ]
 * limits.close();
 * ```
 */
export class BpfArrayMap<V> extends IndexedMap<V> {
  private constructor(source: MapSource, codecs: ArrayMapCodecs<V>) {
    super(source, { key: u32, value: codecs.value });
    checkHash(this, ['array'], { key: u32, value: codecs.value });
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
  static create<V>(options: CreateArrayMapOptions<V>): BpfArrayMap<V> {
    return buildMap(createArray('array', options), source => new BpfArrayMap(source, options));
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
  static from<V>(map: BpfMap, codecs: ArrayMapCodecs<V>): BpfArrayMap<V> {
    return new BpfArrayMap(viewOf(map), codecs);
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
  static fromPin<V>(path: string, codecs: ArrayMapCodecs<V>): BpfArrayMap<V> {
    return buildMap(pinnedMap(path), source => new BpfArrayMap(source, codecs));
  }
}

/** @internal */
export function createArray<V>(type: 'array' | 'percpu_array', options: CreateArrayMapOptions<V>): MapSource {
  refuseUnknown(options, 'create', { known: ['name', 'value', 'maxEntries', 'flags'] });
  const { name, value, maxEntries, flags } = options;
  return createMap(type, { name, keySize: 4, valueSize: value.size, maxEntries, flags });
}
