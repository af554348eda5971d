import { median } from '../test/bed';
import type { ProgramRuns } from './program-runs';
import { table } from './table';

/** The programs' runs during some requests or connections. */
export interface Counted {
  readonly runs: ProgramRuns;
  /** How many requests or connections there were. */
  readonly units: number;
}

/** Rarer programs do not matter for the sum, and theirs are too few runs for a mean. */
const MIN_RUNS_PER_UNIT = 0.01;

/** Nanoseconds for one run of a program. NaN if there was none. */
export function nanosecondsPerRun({ runs }: Counted, program: string): number {
  return runs.get(program)?.nanoseconds ?? NaN;
}

/**
 * A row for each program and a column for each mode: nanoseconds for a run, and how often it runs; the sum in the last
 * row. Medians over the rounds.
 *
 * @param unit - what is counted, such as `request`
 */
export function programTable(unit: string, modes: Readonly<Record<string, readonly Counted[]>>): string {
  const names = new Set(Object.values(modes).flatMap(rounds => rounds.flatMap(({ runs }) => [...runs.keys()])));
  const cell = (rounds: readonly Counted[], name: string): string => {
    const often = median(rounds.map(({ runs, units }) => (runs.get(name)?.count ?? 0) / units));
    if (often < MIN_RUNS_PER_UNIT) return '-';
    return `${median(rounds.map(round => nanosecondsPerRun(round, name))).toFixed(0)} × ${often.toFixed(2)}`;
  };
  const rows = [...names].sort().map(name => [name, ...Object.values(modes).map(rounds => cell(rounds, name))]);
  return table([
    [`ns for a run × runs for a ${unit}`, ...Object.keys(modes)],
    ...rows.filter(([, ...cells]) => cells.some(each => each !== '-')),
    [`all programs, ns for a ${unit}`, ...Object.values(modes).map(rounds => median(rounds.map(total)).toFixed(0))],
  ]);
}

function total({ runs, units }: Counted): number {
  return [...runs.values()].reduce((sum, { count, nanoseconds }) => sum + count * nanoseconds, 0) / units;
}
