import { randomInt } from 'node:crypto';

/** Numbers that look random and are the same for the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** With the seed in MERBRIDGE_SEED or, without one, any. A test tells it, so that its run can be had again. */
  static drawn(tell: (line: string) => void): Random {
    const random = new Random(Number(process.env['MERBRIDGE_SEED'] ?? randomInt(1, 2 ** 31)));
    tell(`MERBRIDGE_SEED=${random.seed}`);
    return random;
  }

  /** From 0 to below 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** From 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.fraction() * end);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}
