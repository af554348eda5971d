import { join } from 'node:path';
import { execFileSync } from '../test/bed/children';
import { Bed, spread } from '../test/bed';
import { Bpffs } from '../test/fixtures/bpffs';
import { table } from './table';

type Costs = Readonly<Record<'start' | 'pinned' | 'adopt' | 'setMany' | 'entries' | 'get' | 'idle' | 'rss', number>>;

const rows: readonly (readonly [keyof Costs, string, number])[] = [
  ['start', 'MeshAccelerator.start in a fresh process (library, load, attach), ms', 0],
  ['pinned', 'the same with `pinDirectory`, nothing there yet, ms', 0],
  ['adopt', 'the same over these pins: the mesh is taken over, every program replaced, ms', 0],
  ['setMany', 'localPodIps.setMany of 10,000 pods, the first call, ms', 1],
  ['entries', 'reading 10,000 pods back, ms', 1],
  ['get', 'localPodIps.get, ns', 0],
  ['idle', 'CPU of an idle process with an accelerator, %', 3],
  ['rss', 'its resident memory, MB', 0],
];

/** What the library costs its process, each figure from fresh processes. */
export function costs(runs = 5): void {
  const seen: Costs[] = [];
  using bed = Bed.create();
  for (let run = 0; run < runs; run++) {
    process.stderr.write(`run ${run + 1} of ${runs}\n`);
    seen.push({
      ...fresh<Omit<Costs, 'pinned' | 'adopt'>>('costs-child.mjs', bed.cgroupPath),
      ...startsOverPins(),
    });
  }
  console.log(
    table([
      ['', 'median', 'lowest', 'highest'],
      ...rows.map(([name, label, digits]) => {
        const { median, min, max } = spread(seen.map(each => each[name]));
        return [label, ...[median, min, max].map(value => value.toFixed(digits))];
      }),
    ]),
  );
}

/** A start that pins, and one that finds what it left. */
function startsOverPins(): Pick<Costs, 'pinned' | 'adopt'> {
  using bed = Bed.create(); // its own: the links go with the pins, but not at once
  using bpffs = new Bpffs();
  const [pinned, adopt] = [false, true].map(expected => {
    const { milliseconds, adopted } = fresh<{ milliseconds: number; adopted: boolean }>(
      'costs-adopt.mjs',
      bed.cgroupPath,
      bpffs.directory(),
    );
    if (adopted !== expected) throw new Error(`a start ${adopted ? 'took over' : 'did not take over'} pins`);
    return milliseconds;
  }) as [number, number];
  return { pinned, adopt };
}

/** What a program under bench/ prints, in a process of its own. */
function fresh<T>(program: string, ...args: readonly string[]): T {
  return JSON.parse(execFileSync(process.execPath, [join(__dirname, program), ...args], { encoding: 'utf8' })) as T;
}
