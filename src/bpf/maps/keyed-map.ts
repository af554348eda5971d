import type { Codec } from '../../codec';
import { Errno, MapFullError } from '../../errors';
import { MapCalls, systemError } from '../../native';
import { assertInteger, refuseUnknown } from '../../checks';
import { readEntries, updateEntries, type BatchMap, type EntryBatch } from './batch';
import { BpfMap, type MapSource } from './map';

/** Which keys `set` may write: `'any'` all, `'create'` only new ones, `'update'` only existing ones. */
export type SetMode = 'any' | 'create' | 'update';

/** Options of `set` and `setMany`. */
export interface SetOptions {
  /** Which keys may be written: kernel flag BPF_ANY, BPF_NOEXIST or BPF_EXIST. Default: `'any'`. */
  mode?: SetMode | undefined;
}

/** Options of iterations. */
export interface IterateOptions {
  /** Number of entries to read with one system call, 1 to 65536. Default: 1024. */
  batchSize?: number | undefined;
}

/** Codecs of a map. Their sizes must equal the key and value size of the map. */
export interface MapCodecs<K, V> {
  /** Codec of the keys. */
  key: Codec<K>;
  /** Codec of the values. */
  value: Codec<V>;
}

/** Options for a new map with keys and values. */
export interface CreateMapOptions<K, V> extends MapCodecs<K, V> {
  /** Name of the map: letters, digits, "_" and ".". The kernel keeps the first 15 bytes. */
  name: string;
  /** Number of entries that the map can hold. */
  maxEntries: number;
  /** Flags: `BPF_F_*` of linux/bpf.h, such as 1 for BPF_F_NO_PREALLOC. Default: 0. */
  flags?: number | undefined;
}

const MODES: Readonly<Record<SetMode, number>> = { any: 0, create: 1, update: 2 };

/** @internal */
export const CREATE_OPTIONS = ['name', 'key', 'value', 'maxEntries', 'flags'];

/**
 * Base class of maps with keys and values. Where it makes sense, it has the interface of a JavaScript `Map`.
 *
 * One entry costs one system call, about a microsecond. The methods for many entries cost far less for each. Iterations
 * read as they proceed: they may or may not see a change that happens meanwhile.
 *
 * @example
 * ```ts
 * import type { KeyedMap } from 'merbridge/bpf';
 *
 * function increment(map: KeyedMap<string, number>, key: string): void {
 *   map.set(key, (map.get(key) ?? 0) + 1);
 * }
 * ```
 */
export abstract class KeyedMap<K, V> extends BpfMap implements Iterable<[K, V]> {
  /** @internal */
  protected readonly keyCodec: Codec<K>;
  /** @internal Codec for the bytes that the kernel copies. */
  protected readonly valueCodec: Codec<V>;
  /** @internal */
  protected readonly calls: MapCalls;
  readonly #batch: BatchMap;

  protected constructor(source: MapSource, codecs: MapCodecs<K, V>) {
    super(source);
    this.keyCodec = codecs.key;
    this.valueCodec = codecs.value;
    this.calls = new MapCalls(source.fd, this.keySize, codecs.value.size);
    this.#batch = {
      fd: source.fd,
      label: this.label,
      keySize: this.keySize,
      valueBytes: codecs.value.size,
      maxEntries: this.maxEntries,
      calls: this.calls,
    };
  }

  /**
   * Looks up a key.
   *
   * Command: `BPF_MAP_LOOKUP_ELEM` of bpf(2).
   *
   * @param key - key of the entry
   * @returns a new value, or `undefined` if the key does not exist
   * @throws TypeError or RangeError if the codec cannot encode the key
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  get(key: K): V | undefined {
    return this.#lookup(key) ? this.valueCodec.decode(this.calls.value, 0) : undefined;
  }

  /**
   * Tests whether a key exists.
   *
   * @param key - key of the entry
   * @returns whether it exists
   * @throws TypeError or RangeError if the codec cannot encode the key
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  has(key: K): boolean {
    return this.#lookup(key);
  }

  /**
   * Stores a value under a key.
   *
   * Command: `BPF_MAP_UPDATE_ELEM` of bpf(2).
   *
   * @param key - key of the entry
   * @param value - value that replaces an existing one
   * @param options - `mode` restricts the call to new or to existing keys
   * @returns this map, like `Map.set`
   * @throws MapFullError (`ERR_BPF_MAP_FULL`) if the map has no room
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; errnoName is `'EEXIST'` in mode `'create'`, and
   * `'ENOENT'` in mode `'update'`
   * @throws TypeError or RangeError if a codec cannot encode the key or the value
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  set(key: K, value: V, options: SetOptions = {}): this {
    const flags = modeFlags(options);
    this.ensureOpen();
    this.keyCodec.encode(key, this.calls.key, 0);
    this.valueCodec.encode(value, this.calls.value, 0);
    const result = this.calls.update(flags);
    if (result < 0) throw this.#updateError(-result, 'bpf_map_update_elem', 0);
    return this;
  }

  /**
   * Stores many entries, with as few system calls as the kernel allows.
   *
   * All entries are encoded before the first one is stored, so a value that cannot be encoded changes nothing.
   *
   * Command: `BPF_MAP_UPDATE_BATCH` of bpf(2), since Linux 5.6; one by one before.
   *
   * @param entries - pairs of key and value, for instance a `Map`
   * @param options - `mode` restricts the call to new or to existing keys. Modes other than `'any'` store one by one
   * @returns number of stored entries
   * @throws MapFullError (`ERR_BPF_MAP_FULL`) if the map has no room; `count` entries, the first ones, were stored
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; errnoName is `'EEXIST'` in mode `'create'`, and
   * `'ENOENT'` in mode `'update'`
   * @throws TypeError or RangeError if a codec cannot encode the key or the value
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  setMany(entries: Iterable<readonly [K, V]>, options: SetOptions = {}): number {
    const flags = modeFlags(options);
    this.ensureOpen();
    const { keys, values, count } = this.#encodeAll(entries);
    if (count === 0) return 0;
    const { done, errno } = updateEntries(this.#batch, keys, values, count, flags);
    if (errno !== 0) throw this.#updateError(errno, 'bpf_map_update_batch', done);
    return done;
  }

  /**
   * Iterates over all entries, like {@link KeyedMap.entries}.
   *
   * @returns a generator of pairs of key and value
   * @throws IterationAbortedError (`ERR_BPF_ITERATION_ABORTED`) if the map changes faster than it can be read
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  [Symbol.iterator](): Generator<[K, V], void, undefined> {
    return this.entries();
  }

  /**
   * Iterates over all entries, in no particular order.
   *
   * Entries may be deleted during the iteration, including the current one.
   *
   * Command: `BPF_MAP_LOOKUP_BATCH` of bpf(2), since Linux 5.6; `BPF_MAP_GET_NEXT_KEY` before.
   *
   * @param options - number of entries to read at once
   * @yields pairs of key and value
   * @returns a generator of pairs of key and value
   * @throws IterationAbortedError (`ERR_BPF_ITERATION_ABORTED`) if the map changes faster than it can be read
   * @throws TypeError if an option is unknown or invalid
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  *entries(options: IterateOptions = {}): Generator<[K, V], void, undefined> {
    for (const { keys, values, count } of this.batches(options)) {
      for (let i = 0; i < count; i++) {
        yield [this.keyCodec.decode(keys, i * this.keySize), this.valueCodec.decode(values, i * this.valueCodec.size)];
      }
    }
  }

  /**
   * Iterates over all keys, in no particular order. See {@link KeyedMap.entries}.
   *
   * @param options - number of entries to read at once
   * @yields keys
   * @returns a generator of keys
   * @throws IterationAbortedError (`ERR_BPF_ITERATION_ABORTED`) if the map changes faster than it can be read
   * @throws TypeError if an option is unknown or invalid
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  *keys(options: IterateOptions = {}): Generator<K, void, undefined> {
    for (const { keys, count } of this.batches(options)) {
      for (let i = 0; i < count; i++) yield this.keyCodec.decode(keys, i * this.keySize);
    }
  }

  /**
   * Iterates over all values, in no particular order. See {@link KeyedMap.entries}.
   *
   * @param options - number of entries to read at once
   * @yields values
   * @returns a generator of values
   * @throws IterationAbortedError (`ERR_BPF_ITERATION_ABORTED`) if the map changes faster than it can be read
   * @throws TypeError if an option is unknown or invalid
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  *values(options: IterateOptions = {}): Generator<V, void, undefined> {
    for (const { values, count } of this.batches(options)) {
      for (let i = 0; i < count; i++) yield this.valueCodec.decode(values, i * this.valueCodec.size);
    }
  }

  /**
   * Calls a function for every entry.
   *
   * @param callback - receives value, key and map, in the order of `Map.forEach`
   * @throws IterationAbortedError (`ERR_BPF_ITERATION_ABORTED`) if the map changes faster than it can be read
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  forEach(callback: (value: V, key: K, map: this) => void): void {
    for (const [key, value] of this.entries()) callback(value, key, this);
  }

  /** @internal The raw entries. */
  protected *batches(options: IterateOptions): Generator<EntryBatch, void, undefined> {
    refuseUnknown(options, 'iteration', { known: ['batchSize'] });
    const { batchSize = 1024 } = options;
    assertInteger(batchSize, 1, 65_536, 'batchSize');
    this.ensureOpen();
    for (const batch of readEntries(this.#batch, batchSize)) {
      yield batch;
      // The consumer may have closed the map between two entries.
      this.ensureOpen();
    }
  }

  /** @internal */
  protected get batchMap(): BatchMap {
    this.ensureOpen();
    return this.#batch;
  }

  #lookup(key: K): boolean {
    this.ensureOpen();
    this.keyCodec.encode(key, this.calls.key, 0);
    const result = this.calls.lookup();
    if (result === 0) return true;
    if (result === -Errno.ENOENT) return false;
    throw systemError(-result, { operation: 'bpf_map_lookup_elem', subject: this.label });
  }

  #encodeAll(entries: Iterable<readonly [K, V]>): { keys: Buffer; values: Buffer; count: number } {
    const { keyCodec, valueCodec, keySize } = this;
    const valueBytes = valueCodec.size;
    let room = Math.max(sizeHint(entries), 16);
    let keys = Buffer.alloc(room * keySize);
    let values = Buffer.alloc(room * valueBytes);
    let count = 0;
    for (const [key, value] of entries) {
      if (count === room) {
        room *= 2;
        keys = Buffer.concat([keys], room * keySize);
        values = Buffer.concat([values], room * valueBytes);
      }
      keyCodec.encode(key, keys, count * keySize);
      valueCodec.encode(value, values, count * valueBytes);
      count += 1;
    }
    return { keys, values, count };
  }

  #updateError(errno: number, operation: string, count: number): Error {
    if (errno === Errno.E2BIG || errno === Errno.ENOSPC) {
      return new MapFullError(this.name, this.maxEntries, count, { errno, operation });
    }
    return systemError(errno, { operation: 'bpf_map_update_elem', subject: this.label });
  }
}

function modeFlags(options: SetOptions): number {
  refuseUnknown(options, 'set', { known: ['mode'] });
  const flags: number | undefined = MODES[options.mode ?? 'any'];
  if (flags === undefined) throw new TypeError(`mode: any, create or update is needed, got ${String(options.mode)}`);
  return flags;
}

/** Number of entries if the iterable tells it. It is only a hint for the first allocation. */
function sizeHint(entries: Iterable<unknown>): number {
  if (Array.isArray(entries)) return entries.length;
  return entries instanceof Map || entries instanceof Set ? entries.size : 256;
}
