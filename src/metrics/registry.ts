import type { FamilyHead, FamilyType, Sample } from './families';

/**
 * The parts of a `Registry` of prom-client 15 that this library uses. It neither imports prom-client nor needs its
 * types.
 */
export interface MetricRegistry {
  /**
   * Registers a metric. Throws if its name is taken.
   *
   * @param metric - the metric
   */
  registerMetric(metric: object): void;
  /**
   * Removes a metric.
   *
   * @param name - name of the metric
   */
  removeSingleMetric(name: string): void;
}

/** A metric, as a prom-client registry expects it at a scrape. */
export class ScrapedFamily {
  /** Writable, because prom-client changes it when it serves OpenMetrics. */
  name: string;
  readonly help: string;
  readonly type: FamilyType;
  /** If several processes of a Node.js cluster read the same mesh, each of them sees all of it. */
  readonly aggregator = 'max';
  readonly #collect: () => readonly Sample[] | Promise<readonly Sample[]>;

  /**
   * Creates a metric that is not registered.
   *
   * @param head - name, type and description
   * @param collect - reads the current samples
   */
  constructor({ name, help, type }: FamilyHead, collect: () => readonly Sample[] | Promise<readonly Sample[]>) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.#collect = collect;
  }

  /**
   * Collects the current samples.
   *
   * @returns the metric in the format of prom-client
   */
  async get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: await this.#collect() };
  }

  /** Does nothing: the values are those of the kernel. */
  reset(): void {
    // See above.
  }
}
