import { MODES, ratio, type Spread } from '../../test/bed';
import { metrics, type Metric, type Point } from './metric';
import { BASELINE, WAYS, type Way } from './modes';

/** What all runs say of one point. */
export interface Verdict {
  /** The mode that won in every run; undefined if they differ. */
  readonly winner: Way | undefined;
  /**
   * The winner of each run: by the median of its ratio to iptables in the same round, in which what the machine does to
   * both cancels out. `no mesh` does not compete: it does less.
   */
  readonly winners: readonly Way[];
  /** Each way over iptables in the same round, over all runs. */
  readonly ratios: Readonly<Record<Way, Spread>>;
  /** The medians of these ratios in each run. */
  readonly ratioOfRuns: Readonly<Record<Way, readonly number[]>>;
  readonly values: Readonly<Record<Way, readonly number[]>>;
}

/** Takes the same point of each run. */
export function judge(points: readonly Point[]): Verdict {
  const each = <T>(make: (way: Way) => T): Record<Way, T> =>
    Object.fromEntries(WAYS.map(way => [way, make(way)])) as Record<Way, T>;
  const values = each(way => points.flatMap(point => point.values[way]));
  const ratioOfRuns = each(way => points.map(point => ratio(point.values[way], point.values[BASELINE]).median));
  const winners = points.map(({ metric }, run) => bestMode(metric, way => ratioOfRuns[way][run] ?? NaN));
  return {
    winners,
    winner: winners.every(way => way === winners[0]) ? winners[0] : undefined,
    ratios: each(way => ratio(values[way], values[BASELINE])),
    ratioOfRuns,
    values,
  };
}

function bestMode(metric: Metric, ratioOf: (way: Way) => number): Way {
  const sign = metrics[metric].better === 'higher' ? 1 : -1;
  return [...MODES].sort((a, b) => sign * (ratioOf(b) - ratioOf(a)))[0] ?? BASELINE;
}
