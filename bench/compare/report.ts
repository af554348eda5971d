import { median, type Spread } from '../../test/bed';
import { describe } from '../comparison';
import { table } from '../table';
import { metrics, type Metric, type Point } from './metric';
import { BASELINE, WAYS, type Way } from './modes';
import { judge, type Verdict } from './winner';

/** The points of all runs, each judged. */
export interface Judged extends Verdict {
  readonly metric: Metric;
  readonly connections: number | undefined;
}

/** Points of a run belong together by their place: every run measures the same ones in the same order. */
export function judgeRuns(runs: readonly (readonly Point[])[]): Judged[] {
  return (runs[0] ?? []).map(({ metric, connections }, i) => ({
    metric,
    connections,
    ...judge(runs.flatMap(run => run[i] ?? [])),
  }));
}

/**
 * A table for each metric: median, lowest and highest of each way, its ratio to iptables in the same round, over all
 * runs and in each, and who won.
 */
export function tables(judged: readonly Judged[]): string {
  const all = [...new Set(judged.map(({ metric }) => metric))];
  return all
    .map(metric => {
      const { label, better } = metrics[metric];
      const rows = judged.filter(point => point.metric === metric).flatMap(rowsOf);
      return table([[`${label} (${better} is better)`, ...WAYS, 'best'], ...rows]);
    })
    .join('\n\n');
}

function rowsOf(point: Judged): string[][] {
  const { digits } = metrics[point.metric];
  const name =
    point.connections === undefined ? 'median' : `${point.connections} connection${point.connections === 1 ? '' : 's'}`;
  const value = (way: Way): string => {
    const values = point.values[way];
    const middle = median(values).toFixed(digits);
    return values.length === 1
      ? middle
      : `${middle} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;
  };
  const others = (text: (way: Way) => string): string[] => WAYS.map(way => (way === BASELINE ? '1' : text(way)));
  const rows = [
    [name, ...WAYS.map(value), best(point)],
    [`  × ${BASELINE}`, ...others(way => over(point.ratios[way])), ''],
  ];
  const inEachRun = (way: Way): string => point.ratioOfRuns[way].map(ratio => ratio.toFixed(2)).join(', ');
  return point.winners.length > 1 ? [...rows, ['  in each run', ...others(inEachRun), '']] : rows;
}

function over(ratio: Spread): string {
  return ratio.values.length === 1 ? ratio.median.toFixed(2) : describe(ratio);
}

/** Runs that do not agree have no winner. What is best is so by its ratio, not by the median beside it. */
export function best({ winner, winners }: Verdict): string {
  if (winner === undefined) return `runs differ: ${winners.join(', ')}`;
  return winners.length > 1 ? `${winner}, in all ${winners.length} runs` : `${winner}, of one run`;
}
