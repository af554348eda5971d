import type { MeshAccelerator } from 'merbridge';
import {
  type Bed,
  cgroupCpuTime,
  interleave,
  median,
  ratio,
  type Comparison,
  type LoadResult,
  type Spread,
} from '../test/bed';
import { countRuns } from './program-runs';
import type { Counted } from './program-table';
import { measureInTwoPods, type TwoPods } from './two-pods';

/** How long the kernel counts runs, after each measurement of speed. */
export const COUNTED_SECONDS = 1;

/** A way to bring the pods of a bed into their mesh. */
export type Enter = (bed: Bed) => Promise<MeshAccelerator | undefined>;

/** What {@link compare} does in each fresh pair of pods. */
export interface Plan {
  readonly rounds: number;
  readonly seconds: number;
  readonly body: number;
  /** Makes ready what the load goes through. */
  readonly prepare: (pods: TwoPods) => Promise<void>;
  /** Loads the mesh for some seconds. */
  readonly load: (pods: TwoPods, seconds: number) => Promise<LoadResult>;
}

/** What {@link compare} found. */
export interface Compared<M extends string> extends Comparison<M> {
  /** Runs of the programs in each round. */
  readonly counted: Readonly<Record<M, readonly Counted[]>>;
  /** CPU time of all processes in the pods, client included, in microseconds for a request, in each round. */
  readonly cpu: Readonly<Record<M, readonly number[]>>;
  /** Requests without an answer, over all rounds. */
  readonly errors: Readonly<Record<M, number>>;
}

/**
 * Requests per second of each mode in interleaved rounds, each in fresh pods; then, in the same pods, how often and how
 * long the programs run.
 *
 * @param baseline - the mode that the others are divided by
 */
export async function compare<M extends string>(
  modes: Readonly<Record<M, Enter>>,
  baseline: NoInfer<M>,
  plan: Plan,
): Promise<Compared<M>> {
  const names = Object.keys(modes) as M[];
  const each = <T>(make: (mode: M) => T): Record<M, T> =>
    Object.fromEntries(names.map(name => [name, make(name)])) as Record<M, T>;
  const counted = each((): Counted[] => []);
  const cpu = each((): number[] => []);
  const errors = each(() => 0);
  const comparison = await interleave(
    each(mode => async (round: number): Promise<number> => {
      process.stderr.write(`round ${round + 1}/${plan.rounds}  ${mode.padEnd(9)}`);
      const result = await measureInTwoPods(mode, modes[mode], plan.body, async pods => {
        await plan.prepare(pods);
        const before = cgroupCpuTime(pods.bed.cgroupPath);
        const speed = await plan.load(pods, plan.seconds);
        cpu[mode].push((cgroupCpuTime(pods.bed.cgroupPath) - before) / speed.requests);
        const slowed = await countRuns(pods.mesh, () => plan.load(pods, COUNTED_SECONDS));
        counted[mode].push({ runs: slowed.runs, units: slowed.result.requests });
        errors[mode] += speed.errors + slowed.result.errors;
        return speed.qps;
      });
      process.stderr.write(`${Math.round(result)} a second\n`);
      return result;
    }),
    baseline,
    plan.rounds,
  );
  return { ...comparison, counted, cpu, errors };
}

/** Rows for a table: what a unit (a request, a connection) costs in each mode. */
export function speedRows<M extends string>(unit: string, compared: Compared<M>, baseline: NoInfer<M>): string[][] {
  const names = Object.keys(compared.modes) as M[];
  const rounds = compared.modes[baseline].values.length;
  return [
    ['', ...names],
    [`${unit}s/s, median of ${rounds}`, ...names.map(mode => String(Math.round(compared.modes[mode].median)))],
    [`  × ${baseline}`, ...names.map(mode => describe(compared.ratios[mode]))],
    [`CPU time of the pods, µs for a ${unit}`, ...names.map(mode => median(compared.cpu[mode]).toFixed(1))],
    [`  × ${baseline}`, ...names.map(mode => describe(ratio(compared.cpu[mode], compared.cpu[baseline])))],
    ['requests without an answer', ...names.map(mode => String(compared.errors[mode]))],
  ];
}

/** `1.38 (1.35–1.48)`: median, lowest and highest. */
export function describe({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}
