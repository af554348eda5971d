import { u32, type Codec } from '../../codec';
import { checkOptions } from '../options';
import { checkHash } from './hash-map';
import { KeyedMap, type SetOptions } from './keyed-map';
import { buildMap, createMap, pinnedMap, viewOf, type BpfMap, type MapSource } from './map';

/** Codec of the values of an array map. */
export interface ArrayMapCodecs<V> {
  /** Codec of values; its size has to equal that of the map. */
  value: Codec<V>;
}

/** What a new array map is like. */
export interface CreateArrayMapOptions<V> extends ArrayMapCodecs<V> {
  /** Letters, digits, "_" and "."; the kernel keeps the first 15 bytes. */
  name: string;
  /** How many entries it has. */
  maxEntries: number;
  /** `BPF_F_*` of linux/bpf.h. Default: 0. */
  flags?: number | undefined;
}

/** What arrays have in common: keys are indices, and one beyond the end is a mistake of the caller, not a full map. */
export abstract class IndexedMap<V> extends KeyedMap<number, V> {
  /** How many entries there are: all of them, always. */
  get length(): number {
    return this.maxEntries;
  }

  /** The value at an index; `undefined` beyond the end. */
  override get(index: number): V | undefined {
    return this.#inside(index) ? super.get(index) : undefined;
  }

  /** Whether an index is below the length. */
  override has(index: number): boolean {
    return this.#inside(index);
  }

  /**
   * Stores a value at an index.
   *
   * @throws RangeError for an index beyond the end
   */
  override set(index: number, value: V, options?: SetOptions): this {
    this.#require(index);
    return super.set(index, value, options);
  }

  /**
   * Stores many values.
   *
   * @throws RangeError for an index beyond the end, before anything is stored
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
 * An array of fixed length. Entries are there from the start, filled with zero, and cannot be deleted.
 *
 * Kernel name: `BPF_MAP_TYPE_ARRAY`. Since Linux 3.19; with batches since 5.6.
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
   * Creates a map in the kernel. The caller closes it; it ends then, unless it is pinned or a program uses it.
   *
   * @throws PermissionError `ERR_BPF_PERMISSION` without CAP_BPF
   */
  static create<V>(options: CreateArrayMapOptions<V>): BpfArrayMap<V> {
    return buildMap(createArray('array', options), source => new BpfArrayMap(source, options));
  }

  /**
   * A typed view on a map of an object. It is closed with the object.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static from<V>(map: BpfMap, codecs: ArrayMapCodecs<V>): BpfArrayMap<V> {
    return new BpfArrayMap(viewOf(map), codecs);
  }

  /**
   * Opens a map that is pinned. The caller closes it; the pin stays.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static fromPin<V>(path: string, codecs: ArrayMapCodecs<V>): BpfArrayMap<V> {
    return buildMap(pinnedMap(path), source => new BpfArrayMap(source, codecs));
  }
}

/** @internal */
export function createArray<V>(type: 'array' | 'percpu_array', options: CreateArrayMapOptions<V>): MapSource {
  checkOptions(options, ['name', 'value', 'maxEntries', 'flags'], 'create');
  const { name, value, maxEntries, flags } = options;
  return createMap(type, { name, keySize: 4, valueSize: value.size, maxEntries, flags });
}
