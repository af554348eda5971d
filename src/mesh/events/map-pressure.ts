import type { MapPressureEvent } from './event-records';

/** Shares of a map at which it is said to fill up. */
export const PRESSURE_LEVELS = [0.8, 0.95] as const;
/** How far it has to fall below a share before that one is told again. */
const HYSTERESIS = 0.05;

/** Numbers of entries at which each level is told, and below which it is told again. */
export interface Alarms {
  readonly alarm: readonly number[];
  readonly rearm: readonly number[];
}

/** @internal */
export function alarmsFor(maxEntries: number): Alarms {
  const alarm = PRESSURE_LEVELS.map(level => Math.max(1, Math.ceil(maxEntries * level)));
  return { alarm, rearm: alarm.map(at => Math.max(1, Math.floor(at - maxEntries * HYSTERESIS))) };
}

/**
 * Watches a map that user space alone writes. The kernel does not tell how full it is, so it is counted, but only when
 * enough was written since the last count for the next level to be possible. So writing costs nothing until then, and
 * nothing runs while nothing is written.
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
   * @param maxEntries - how many it can hold
   * @param count - counts its entries
   * @param tell - is told
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

  /** To be called after so many entries were written, or deleted. Overwriting one counts as writing it. */
  changed(written: number, deleted: number): void {
    this.#left -= written;
    // Only below a level that was told a falling number means anything.
    if (this.#left <= 0 || (deleted > 0 && this.#level > 0)) this.look();
  }

  /** Counts now. Where that costs nothing, this may be called after every change. */
  look(): void {
    const { alarm, rearm } = this.#alarms;
    const entries = this.count();
    while (this.#level > 0 && entries < rearm[this.#level - 1]!) this.#level -= 1;
    const reached = alarm.filter(at => entries >= at).length;
    if (reached > this.#level) {
      this.#level = reached;
      this.tell({ map: this.map, entries, maxEntries: this.maxEntries, level: PRESSURE_LEVELS[reached - 1]! });
    }
    // Not at every write while it is just below: a hundredth of the map late is early enough.
    const next = alarm[this.#level] ?? Infinity;
    this.#left = Math.max(next - entries, Math.ceil(this.maxEntries / 100));
  }
}
