import type { MapPressureEvent } from './event-records';

/** Fill levels that are reported, as fractions of the maximum number of entries. */
export const PRESSURE_LEVELS = [0.8, 0.95] as const;
/** How far the map has to fall below a level before that level is reported again. */
const HYSTERESIS = 0.05;

/** The levels as numbers of entries. */
export interface Alarms {
  /** Numbers of entries at which each level is reported. */
  readonly alarm: readonly number[];
  /** Numbers of entries below which each level can be reported again. */
  readonly rearm: readonly number[];
}

/**
 * Computes the levels of a map.
 *
 * @internal
 * @param maxEntries - maximum number of entries of the map
 * @returns the levels as numbers of entries
 */
export function alarmsFor(maxEntries: number): Alarms {
  const alarm = PRESSURE_LEVELS.map(level => Math.max(1, Math.ceil(maxEntries * level)));
  return { alarm, rearm: alarm.map(at => Math.max(1, Math.floor(at - maxEntries * HYSTERESIS))) };
}

/**
 * Watches the fill level of a map that only user space writes. The kernel does not report the number of entries, so
 * they are counted. That happens only when enough entries were written since the last count to reach the next level. So
 * writes cost nothing until then, and no timer runs.
 *
 * @internal
 */
export class MapPressure {
  readonly #alarms: Alarms;
  #level = 0;
  /** Writes until the map has to be counted. */
  #left = 0;

  /**
   * @param map - its name
   * @param maxEntries - maximum number of entries
   * @param count - counts its entries
   * @param tell - receives the events
   */
  constructor(
    private readonly map: string,
    private readonly maxEntries: number,
    private readonly count: () => number,
    private readonly tell: (event: MapPressureEvent) => void,
  ) {
    this.#alarms = alarmsFor(maxEntries);
    this.look();
  }

  /**
   * Call this after entries were written or deleted.
   *
   * @param written - number of entries written, including overwritten ones
   * @param deleted - number of entries deleted
   */
  changed(written: number, deleted: number): void {
    this.#left -= written;
    // Deleting entries only matters if a level was reached before.
    if (this.#left <= 0 || (deleted > 0 && this.#level > 0)) this.look();
  }

  /** Counts now. If counting is cheap, this may be called after every change. */
  look(): void {
    const { alarm, rearm } = this.#alarms;
    const entries = this.count();
    while (this.#level > 0 && entries < rearm[this.#level - 1]!) this.#level -= 1;
    const reached = alarm.filter(at => entries >= at).length;
    if (reached > this.#level) {
      this.#level = reached;
      this.tell({ map: this.map, entries, maxEntries: this.maxEntries, level: PRESSURE_LEVELS[reached - 1]! });
    }
    // Do not count at every write just below a level. The report may be late by 1 % of the map.
    const next = alarm[this.#level] ?? Infinity;
    this.#left = Math.max(next - entries, Math.ceil(this.maxEntries / 100));
  }
}
