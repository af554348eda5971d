import type { Measurement, Point } from './metric';
import { WAYS, type Way } from './modes';

/** Collects the figures of one run, in the order in which they first came. */
export class Series {
  readonly #points = new Map<
    string,
    { metric: Measurement['metric']; connections: number | undefined; values: Record<Way, number[]> }
  >();

  add(way: Way, figures: readonly Measurement[]): void {
    for (const { metric, connections, value } of figures) {
      const key = `${metric} ${connections ?? ''}`;
      let point = this.#points.get(key);
      if (!point) {
        point = {
          metric,
          connections,
          values: Object.fromEntries(WAYS.map(each => [each, []])) as unknown as Record<Way, number[]>,
        };
        this.#points.set(key, point);
      }
      point.values[way].push(value);
    }
  }

  points(): Point[] {
    return [...this.#points.values()];
  }
}
