import type { Measurement } from './metric';
import type { Way } from './modes';
import type { Series } from './series';

/** A round of one part of a run: measures points in all ways. */
export class Round {
  /**
   * @param ways - in the order in which they are measured
   * @param series - takes the figures
   * @param progress - is told before each point
   */
  constructor(
    readonly ways: readonly Way[],
    private readonly series: Series,
    private readonly progress: (point: string) => void,
  ) {}

  /**
   * Measures a point in each way, in counterbalanced order (A B C C B A): a machine that becomes slower all the while
   * does the same to each. The mean of both is the figure of this round.
   *
   * @throws Error that names point and way if a measurement failed
   */
  async point(name: string, measure: (way: Way) => Promise<readonly Measurement[]>): Promise<void> {
    this.progress(name);
    const forwards = new Map<Way, readonly Measurement[]>();
    for (const way of this.ways) forwards.set(way, await this.#measure(name, way, measure));
    for (const way of [...this.ways].reverse()) {
      const before = forwards.get(way) ?? [];
      const after = await this.#measure(name, way, measure);
      this.series.add(
        way,
        after.map((figure, i) => ({ ...figure, value: (figure.value + (before[i]?.value ?? NaN)) / 2 })),
      );
    }
  }

  async #measure(
    name: string,
    way: Way,
    measure: (way: Way) => Promise<readonly Measurement[]>,
  ): Promise<readonly Measurement[]> {
    try {
      return await measure(way);
    } catch (error) {
      throw new Error(`${name}, ${way}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
}
