import type { Codec } from '../../codec';
import { Errno, MapFullError } from '../../errors';
import { MapCalls, systemError } from '../../native';
import { checkInteger, checkOptions } from '../options';
import { readEntries, updateEntries, type BatchMap, type EntryBatch } from './batch';
import { BpfMap, type MapSource } from './map';

/** When `set` may write: always, only a key that is new, only a key that is there. */
export type SetMode = 'any' | 'create' | 'update';

/** Options of `set` and `setMany`. */
export interface SetOptions {
  /** Default: `'any'`. Kernel flags BPF_ANY, BPF_NOEXIST, BPF_EXIST. */
  mode?: SetMode | undefined;
}

/** Options of iterations. */
export interface IterateOptions {
  /** Entries per system call, 1 to 65536. Default: 1024. */
  batchSize?: number | undefined;
}

/** Codecs of a map. Their sizes have to equal those of the map. */
export interface MapCodecs<K, V> {
  /** Codec of keys. */
  key: Codec<K>;
  /** Codec of values. */
  value: Codec<V>;
}

/** What a new map of keys and values is like. */
export interface CreateMapOptions<K, V> extends MapCodecs<K, V> {
  /** Letters, digits, "_" and "."; the kernel keeps the first 15 bytes. */
  name: string;
  /** How many entries it can hold. */
  maxEntries: number;
  /** `BPF_F_*` of linux/bpf.h, such as 1 for BPF_F_NO_PREALLOC. Default: 0. */
  flags?: number | undefined;
}

const MODES: Readonly<Record<SetMode, number>> = { any: 0, create: 1, update: 2 };

/** @internal */
export const CREATE_OPTIONS = ['name', 'key', 'value', 'maxEntries', 'flags'];

/**
 * Maps of keys and values, with the interface of the `Map` of JavaScript where that makes sense.
 *
 * One entry costs one system call (about a microsecond); many at once cost far less each. Iterations read as they go:
 * what changes meanwhile may or may not be seen.
 */
export abstract class KeyedMap<K, V> extends BpfMap implements Iterable<[K, V]> {
  /** @internal */
  protected readonly keyCodec: Codec<K>;
  /** @internal Codec over the bytes that the kernel copies. */
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
   * The value of a key.
   *
   * @returns a value of its own, or `undefined` when the key is not there
   */
  get(key: K): V | undefined {
    return this.#lookup(key) ? this.valueCodec.decode(this.calls.value, 0) : undefined;
  }

  /** Whether a key is there. */
  has(key: K): boolean {
    return this.#lookup(key);
  }

  /**
   * Stores a value under a key.
   *
   * @param key - the key
   * @param value - the value, replaces the one that is there
   * @param options - `mode` restricts it to new keys or to existing ones
   * @returns the map itself, as `Map.set` does
   * @throws MapFullError `ERR_BPF_MAP_FULL` when there is no room
   * @throws BpfError with errnoName `'EEXIST'` in mode create, `'ENOENT'` in mode update
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
   * All entries are encoded before the first is stored, so a value that cannot be encoded changes nothing.
   *
   * @param entries - pairs of key and value, a `Map` for instance
   * @param options - `mode` restricts it to new keys or to existing ones; other modes than `'any'` store one by one
   * @returns how many entries were stored
   * @throws MapFullError `ERR_BPF_MAP_FULL` when there is no room; its `count` entries, the first ones, were stored
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

  /** All entries. Throws what {@link KeyedMap.entries} throws. */
  [Symbol.iterator](): Generator<[K, V], void, undefined> {
    return this.entries();
  }

  /**
   * All entries, in no particular order.
   *
   * Entries may be deleted while they are read, the current one too.
   *
   * @param options - how many to read at once
   * @throws IterationAbortedError `ERR_BPF_ITERATION_ABORTED` when the map changes faster than it can be read
   */
  *entries(options: IterateOptions = {}): Generator<[K, V], void, undefined> {
    for (const { keys, values, count } of this.batches(options)) {
      for (let i = 0; i < count; i++) {
        yield [this.keyCodec.decode(keys, i * this.keySize), this.valueCodec.decode(values, i * this.valueCodec.size)];
      }
    }
  }

  /** All keys, in no particular order. See {@link KeyedMap.entries}. */
  *keys(options: IterateOptions = {}): Generator<K, void, undefined> {
    for (const { keys, count } of this.batches(options)) {
      for (let i = 0; i < count; i++) yield this.keyCodec.decode(keys, i * this.keySize);
    }
  }

  /** All values, in no particular order. See {@link KeyedMap.entries}. */
  *values(options: IterateOptions = {}): Generator<V, void, undefined> {
    for (const { values, count } of this.batches(options)) {
      for (let i = 0; i < count; i++) yield this.valueCodec.decode(values, i * this.valueCodec.size);
    }
  }

  /**
   * Calls a function for every entry.
   *
   * @param callback - gets value, key and map, in the order of `Map.forEach`
   */
  forEach(callback: (value: V, key: K, map: this) => void): void {
    for (const [key, value] of this.entries()) callback(value, key, this);
  }

  /** @internal The raw entries. */
  protected *batches(options: IterateOptions): Generator<EntryBatch, void, undefined> {
    checkOptions(options, ['batchSize'], 'iteration');
    const batchSize = checkInteger(options.batchSize ?? 1024, 1, 65_536, 'batchSize');
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
  checkOptions(options, ['mode'], 'set');
  const flags: number | undefined = MODES[options.mode ?? 'any'];
  if (flags === undefined) throw new TypeError(`mode: any, create or update is needed, got ${String(options.mode)}`);
  return flags;
}

/** How many entries there are, if the iterable tells; only a hint for the first allocation. */
function sizeHint(entries: Iterable<unknown>): number {
  if (Array.isArray(entries)) return entries.length;
  return entries instanceof Map || entries instanceof Set ? entries.size : 256;
}
