import { readFileSync, readdirSync } from 'node:fs';
import type { MeshAccelerator, Quadruple } from 'merbridge';
import { BpfProgram, type BpfSockHashMap, type RunStatistics } from 'merbridge/bpf';
import { RunStatisticsSwitch } from '../src/bpf/internal';
import { median } from '../test/bed';

/** The runs of one program. */
export interface Runs {
  readonly count: number;
  /** Nanoseconds for a run: the median of the means over short times. */
  readonly nanoseconds: number;
}

/** The programs that ran, by their names. */
export type ProgramRuns = ReadonlyMap<string, Runs>;

/**
 * A run that is interrupted counts with all that the CPU did meanwhile, so one mean over everything would show the
 * other load on the machine.
 */
const SLICE_MS = 25;
/** Fewer runs have no mean that is worth anything. */
const MIN_RUNS_IN_SLICE = 20;

/**
 * Lets the kernel count while something runs: the programs of this process and of its accelerator, no others of this
 * machine.
 *
 * Counting itself takes time, so nothing else is to be measured meanwhile.
 */
export async function countRuns<T>(
  mesh: MeshAccelerator | undefined,
  run: () => Promise<T>,
): Promise<{ result: T; runs: ProgramRuns }> {
  const programs = ownPrograms(mesh);
  const read = (): RunStatistics[] => programs.map(program => program.runStatistics());
  using _counting = RunStatisticsSwitch.enable();
  const seen = [read()];
  const timer = setInterval(() => seen.push(read()), SLICE_MS);
  try {
    const result = await run();
    seen.push(read());
    const runs = programs.map(({ name }, i): [string, Runs] => [name, summary(seen.map(each => each[i]!))]);
    return { result, runs: new Map(runs.filter(([, { count }]) => count > 0)) };
  } finally {
    clearInterval(timer);
    for (const program of programs) program.close();
  }
}

function summary(seen: readonly RunStatistics[]): Runs {
  const between = (from: RunStatistics, to: RunStatistics): Runs => {
    const count = Number(to.runs - from.runs);
    return { count, nanoseconds: Number(to.nanoseconds - from.nanoseconds) / count };
  };
  const all = between(seen[0]!, seen.at(-1)!);
  const slices = seen
    .slice(1)
    .map((to, i) => between(seen[i]!, to))
    .filter(({ count }) => count >= MIN_RUNS_IN_SLICE);
  return slices.length > 0
    ? { count: all.count, nanoseconds: median(slices.map(({ nanoseconds }) => nanoseconds)) }
    : all;
}

/**
 * By file descriptor; the program for messages may be another one than the library's, and then the map alone holds it.
 */
function ownPrograms(mesh: MeshAccelerator | undefined): BpfProgram[] {
  const ids = new Set<number>();
  for (const fd of readdirSync('/proc/self/fdinfo')) {
    const id = /^prog_id:\s*(\d+)$/m.exec(fdinfo(fd))?.[1];
    if (id) ids.add(Number(id));
  }
  if (mesh) {
    const { map } = mesh.sockPairMap as unknown as { readonly map: BpfSockHashMap<Quadruple> };
    for (const { id } of map.verdictPrograms()) ids.add(id);
  }
  return [...ids].map(id => BpfProgram.fromId(id));
}

/** Empty for the descriptor that the directory itself was read through. */
function fdinfo(fd: string): string {
  try {
    return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  } catch {
    return '';
  }
}
