import type { FamilyHead, FamilyType, Sample } from './families';

/**
 * What is needed of a `Registry` of prom-client 15. Its type fits; so this library neither imports prom-client nor asks
 * for its types.
 */
export interface MetricRegistry {
  /** Adds a metric; throws if its name is taken. */
  registerMetric(metric: object): void;
  /** Takes it out again. */
  removeSingleMetric(name: string): void;
}

/** What a registry of prom-client asks a metric for when it is scraped. */
export class ScrapedFamily {
  /** prom-client writes it when it serves OpenMetrics, so it is no constant. */
  name: string;
  readonly help: string;
  readonly type: FamilyType;
  /** Where the same mesh is read by several processes of a Node.js cluster, each of them sees all of it. */
  readonly aggregator = 'max';
  readonly #collect: () => readonly Sample[] | Promise<readonly Sample[]>;

  constructor({ name, help, type }: FamilyHead, collect: () => readonly Sample[] | Promise<readonly Sample[]>) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.#collect = collect;
  }

  /** All of it at this moment. */
  async get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: await this.#collect() };
  }

  /** Nothing to do: what is told is the kernel's, and nothing is kept here. */
  reset(): void {
    // See above.
  }
}
