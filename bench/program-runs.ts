import { readFileSync, readdirSync } from 'node:fs';
import { BpfProgram, RunStatisticsSwitch, type BpfSockHashMap, type MeshAccelerator, type Quadruple, type RunStatistics } from 'merbridge';

/** The runs of each program, by its name. */
export type ProgramRuns = ReadonlyMap<string, RunStatistics>;

/**
 * Lets the kernel count while something runs: the programs of this process and of its accelerator, no others of this machine.
 *
 * Counting itself takes time, so nothing else is to be measured meanwhile.
 */
export async function countRuns<T>(mesh: MeshAccelerator | undefined, run: () => Promise<T>): Promise<{ result: T; runs: ProgramRuns }> {
  const programs = ownPrograms(mesh);
  using _counting = RunStatisticsSwitch.enable();
  try {
    const before = programs.map(program => program.runStatistics());
    const result = await run();
    const runs = programs.map((program, i): [string, RunStatistics] => {
      const { runs, nanoseconds } = program.runStatistics();
      return [program.name, { runs: runs - (before[i]?.runs ?? 0n), nanoseconds: nanoseconds - (before[i]?.nanoseconds ?? 0n) }];
    });
    return { result, runs: new Map(runs.filter(([, each]) => each.runs > 0n)) };
  } finally {
    for (const program of programs) program.close();
  }
}

/** By file descriptor; the program for messages may be another one than the library's, and then the map alone holds it. */
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
