/** The figures of one mode over all rounds. */
export interface Spread {
  readonly values: readonly number[];
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** What {@link interleave} found. */
export interface Comparison<M extends string> {
  readonly modes: Readonly<Record<M, Spread>>;
  /** Each mode over the baseline, taken within each round before the median: the machine's drift cancels out. */
  readonly ratios: Readonly<Record<M, Spread>>;
}

/**
 * Measures modes in rounds, A B C, C B A, A B C …, and compares them round by round.
 *
 * On a shared machine the same binary can be three times as fast a minute later. Modes measured one after the other
 * would compare the minutes; neighbours in a round share theirs, and turning the order takes out what the place in the
 * round does.
 *
 * @param baseline the mode that the others are divided by
 */
export async function interleave<M extends string>(
  modes: Readonly<Record<M, (round: number) => Promise<number>>>,
  baseline: NoInfer<M>,
  rounds: number,
  onValue: (mode: M, round: number, value: number) => void = () => {},
): Promise<Comparison<M>> {
  const names = Object.keys(modes) as M[];
  const seen = Object.fromEntries(names.map(name => [name, [] as number[]])) as Record<M, number[]>;
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      const value = await modes[name](round);
      seen[name].push(value);
      onValue(name, round, value);
    }
  }
  const each = (spreadOf: (name: M) => Spread): Record<M, Spread> =>
    Object.fromEntries(names.map(name => [name, spreadOf(name)])) as Record<M, Spread>;
  return {
    modes: each(name => spread(seen[name])),
    ratios: each(name => ratio(seen[name], seen[baseline])),
  };
}

/** Values over those of another mode, round by round. */
export function ratio(values: readonly number[], baseline: readonly number[]): Spread {
  return spread(values.map((value, round) => value / (baseline[round] ?? NaN)));
}

export function spread(values: readonly number[]): Spread {
  return { values, median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}
