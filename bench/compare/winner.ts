import { MODES, median, ratio, type Spread } from '../../test/bed';
import { metrics, type Point } from './figure';
import { BASELINE, WAYS, type Way } from './modes';

/** The mode with the best median of one run. `no mesh` does not compete: it does less. */
export function winnerOf({ metric, values }: Point): Way {
  const sign = metrics[metric].better === 'higher' ? 1 : -1;
  return [...MODES].sort((a, b) => sign * (median(values[b]) - median(values[a])))[0] ?? BASELINE;
}

/** What all runs say of one point. */
export interface Verdict {
  /** The mode that won in every run; undefined if they differ. */
  readonly winner: Way | undefined;
  /** The winner of each run. */
  readonly winners: readonly Way[];
  /** Each way over iptables in the same round, over all runs. */
  readonly ratios: Readonly<Record<Way, Spread>>;
  readonly values: Readonly<Record<Way, readonly number[]>>;
}

/** Takes the same point of each run. */
export function judge(points: readonly Point[]): Verdict {
  const winners = points.map(winnerOf);
  const values = Object.fromEntries(WAYS.map(way => [way, points.flatMap(point => point.values[way])])) as Record<Way, number[]>;
  return {
    winners,
    winner: winners.every(way => way === winners[0]) ? winners[0] : undefined,
    ratios: Object.fromEntries(WAYS.map(way => [way, ratio(values[way], values[BASELINE])])) as Record<Way, Spread>,
    values,
  };
}
