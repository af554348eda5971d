import type { Figure } from './figure';
import type { Way } from './modes';
import type { Series } from './series';

/** A round of one part of a run: measures points in all ways. */
export class Round {
  /**
   * @param ways - in the order in which they are measured
   * @param series - takes the figures
   * @param progress - is told before each point
   */
  constructor(readonly ways: readonly Way[], private readonly series: Series, private readonly progress: (point: string) => void) {}

  /**
   * Measures a point in each way, A B C C B A: a machine that becomes slower all the while does the same to each. The mean of both is the
   * figure of this round.
   */
  async point(name: string, measure: (way: Way) => Promise<readonly Figure[]>): Promise<void> {
    this.progress(name);
    const there = new Map<Way, readonly Figure[]>();
    for (const way of this.ways) there.set(way, await measure(way));
    for (const way of [...this.ways].reverse()) {
      const back = await measure(way);
      const first = there.get(way) ?? [];
      this.series.add(way, back.map((figure, i) => ({ ...figure, value: (figure.value + (first[i]?.value ?? NaN)) / 2 })));
    }
  }
}
