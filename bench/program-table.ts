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

/** Nanoseconds for one run of a program, the mean over all of its runs. NaN if there was none. */
export function nanosecondsPerRun({ runs }: Counted, program: string): number {
  const { runs: count, nanoseconds } = runs.get(program) ?? { runs: 0n, nanoseconds: 0n };
  return Number(nanoseconds) / Number(count);
}

/**
 * A row for each program and a column for each mode: nanoseconds for a run, and how often it runs; the sum in the last row. Medians over the
 * rounds.
 *
 * @param unit - what is counted, such as `request`
 */
export function programTable(unit: string, modes: Readonly<Record<string, readonly Counted[]>>): string {
  const names = new Set(Object.values(modes).flatMap(rounds => rounds.flatMap(({ runs }) => [...runs.keys()])));
  const cell = (rounds: readonly Counted[], name: string): string => {
    const often = median(rounds.map(({ runs, units }) => Number(runs.get(name)?.runs ?? 0n) / units));
    if (often < MIN_RUNS_PER_UNIT) return '-';
    return `${nanoseconds(median(rounds.map(round => nanosecondsPerRun(round, name))))} × ${often.toFixed(2)}`;
  };
  const rows = [...names].sort().map(name => [name, ...Object.values(modes).map(rounds => cell(rounds, name))]);
  return table([
    [`ns for a run × runs for a ${unit}`, ...Object.keys(modes)],
    ...rows.filter(([, ...cells]) => cells.some(each => each !== '-')),
    [`all programs, ns for a ${unit}`, ...Object.values(modes).map(rounds => nanoseconds(median(rounds.map(total))))],
  ]);
}

function total({ runs, units }: Counted): number {
  return [...runs.values()].reduce((sum, each) => sum + Number(each.nanoseconds), 0) / units;
}

function nanoseconds(value: number): string {
  return value.toFixed(0);
}
