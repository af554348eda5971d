import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/** One property in which a map differs from what is expected. */
export interface MapDifference {
  /** Name of the property: `'type'`, `'keySize'`, `'valueSize'`, `'maxEntries'` or `'flags'`. */
  readonly property: string;
  /** Value that the class or the codec expects. Sizes are in bytes. */
  readonly expected: number | string;
  /** Value that the map has. Sizes are in bytes. */
  readonly actual: number | string;
}

/**
 * The type of a map, or the size of its keys or values, is not what the class or the codecs expect.
 *
 * The typical reason is a map that an older version of a program pinned. Unpin it, or choose another path.
 *
 * @example
 * ```ts
 * import { MapIncompatibleError } from 'merbridge';
 * import { BpfHashMap, u32 } from 'merbridge/bpf';
 *
 * try {
 *   BpfHashMap.fromPin('/sys/fs/bpf/pods', { key: u32, value: u32 }).close();
 * } catch (error) {
 *   if (!(error instanceof MapIncompatibleError)) throw error;
 *   for (const { property, expected, actual } of error.differences) console.error(property, expected, actual);
 * }
 * ```
 */
export class MapIncompatibleError extends BpfError {
  /** Always `'ERR_BPF_MAP_INCOMPATIBLE'`. */
  declare readonly code: 'ERR_BPF_MAP_INCOMPATIBLE';
  /** Every difference, not only the first. Sizes are in bytes. */
  readonly differences: readonly MapDifference[];

  /**
   * Creates the error.
   *
   * @param differences - every difference
   * @param options - where the failure happened; `subject` names the map
   */
  constructor(differences: readonly MapDifference[], options: BpfErrorOptions = {}) {
    const list = differences.map(
      ({ property, expected, actual }) => `${property} is ${actual} in the map but ${expected} was expected`,
    );
    super('ERR_BPF_MAP_INCOMPATIBLE', options, list.join(', '));
    this.differences = Object.freeze([...differences]);
  }
}

/**
 * A map has no room for another entry.
 *
 * Raise its `maxEntries` before the object is loaded, delete entries, or use an LRU map, which evicts entries by
 * itself.
 *
 * @example
 * ```ts
 * import { MapFullError } from 'merbridge';
 * import type { BpfHashMap } from 'merbridge/bpf';
 *
 * function fill(map: BpfHashMap<number, number>, entries: Iterable<[number, number]>): void {
 *   try {
 *     map.setMany(entries);
 *   } catch (error) {
 *     if (!(error instanceof MapFullError)) throw error;
 *     console.warn(`${error.map} holds ${error.maxEntries} entries; stopped after ${error.count}`);
 *   }
 * }
 * ```
 */
export class MapFullError extends BpfError {
  /** Always `'ERR_BPF_MAP_FULL'`. */
  declare readonly code: 'ERR_BPF_MAP_FULL';
  /** Name of the map. */
  readonly map: string;
  /** Number of entries that the map can hold. */
  readonly maxEntries: number;
  /** Number of entries that the same call stored before the map was full. They stay in the map. */
  readonly count: number;

  /**
   * Creates the error.
   *
   * @param map - name of the map
   * @param maxEntries - number of entries that the map can hold
   * @param count - number of entries that the call stored
   * @param options - error number and operation
   */
  constructor(map: string, maxEntries: number, count: number, options: BpfErrorOptions = {}) {
    super(
      'ERR_BPF_MAP_FULL',
      { hint: 'raise maxEntries before load, delete entries, or use an LRU map', subject: `map "${map}"`, ...options },
      `the map is full: it holds ${maxEntries} entries; ${count} of this call were applied`,
    );
    this.map = map;
    this.maxEntries = maxEntries;
    this.count = count;
  }
}

/**
 * An iteration stopped because the map changed faster than it could be read. Try again.
 *
 * If a hash map is read key by key and the current key is deleted meanwhile, the kernel restarts from the first key. To
 * end at all, the iteration stops after as many steps as the map can hold entries.
 *
 * @example
 * ```ts
 * import { IterationAbortedError } from 'merbridge';
 * import type { BpfHashMap } from 'merbridge/bpf';
 *
 * function keysOf(map: BpfHashMap<number, number>): number[] {
 *   for (;;) {
 *     try {
 *       return [...map.keys()];
 *     } catch (error) {
 *       if (!(error instanceof IterationAbortedError)) throw error;
 *     }
 *   }
 * }
 * ```
 */
export class IterationAbortedError extends BpfError {
  /** Always `'ERR_BPF_ITERATION_ABORTED'`. */
  declare readonly code: 'ERR_BPF_ITERATION_ABORTED';
  /** Number of entries that the iteration had returned. It may have returned some of them twice. */
  readonly seen: number;

  /**
   * Creates the error.
   *
   * @param seen - number of entries that the iteration had returned
   * @param options - where the failure happened; `subject` names the map
   */
  constructor(seen: number, options: BpfErrorOptions = {}) {
    super('ERR_BPF_ITERATION_ABORTED', options, `the map changed while it was read; gave up after ${seen} entries`);
    this.seen = seen;
  }
}

defineError(MapIncompatibleError, 'MapIncompatibleError');
defineError(MapFullError, 'MapFullError');
defineError(IterationAbortedError, 'IterationAbortedError');
