import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/** One way in which a map differs from what was asked for. */
export interface MapDifference {
  /** What differs: `'type'`, `'keySize'`, `'valueSize'`, `'maxEntries'` or `'flags'`. */
  readonly property: string;
  /** What the caller, or the codec, needs. */
  readonly expected: number | string;
  /** What the map has. */
  readonly actual: number | string;
}

/**
 * A map is of another kind, or its keys or values are of another size, than the class or the codecs need.
 *
 * Typical for a pinned map that an older version of a program left behind: unpin it, or choose another path.
 */
export class MapIncompatibleError extends BpfError {
  declare readonly code: 'ERR_BPF_MAP_INCOMPATIBLE';
  /** Every difference, not just the first. Sizes are in bytes. */
  readonly differences: readonly MapDifference[];

  /**
   * @param differences - every difference
   * @param options - the usual facts; `subject` names the map
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
 * Raise its `maxEntries` (before the object is loaded), delete entries, or use an LRU map, which evicts by itself.
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
  declare readonly code: 'ERR_BPF_MAP_FULL';
  /** Name of the map. */
  readonly map: string;
  /** How many entries the map can hold. */
  readonly maxEntries: number;
  /** How many entries of the same call were applied before the map was full; they stay in the map. */
  readonly count: number;

  /**
   * @param map - name of the map
   * @param maxEntries - how many entries it can hold
   * @param count - how many entries of the call were applied
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
 * An iteration was given up because the map changed faster than it could be read.
 *
 * A hash map that is walked key by key starts again from its first key whenever the current key is deleted meanwhile;
 * the walk stops after as many steps as the map can hold entries instead of going on forever. Try again.
 */
export class IterationAbortedError extends BpfError {
  declare readonly code: 'ERR_BPF_ITERATION_ABORTED';
  /** How many entries had been handed out; some of them possibly twice. */
  readonly seen: number;

  /**
   * @param seen - how many entries had been handed out
   * @param options - the usual facts; `subject` names the map
   */
  constructor(seen: number, options: BpfErrorOptions = {}) {
    super('ERR_BPF_ITERATION_ABORTED', options, `the map changed while it was read; gave up after ${seen} entries`);
    this.seen = seen;
  }
}

defineError(MapIncompatibleError, 'MapIncompatibleError');
defineError(MapFullError, 'MapFullError');
defineError(IterationAbortedError, 'IterationAbortedError');
