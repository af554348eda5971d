import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Bed, spread } from '../test/bed';
import { table } from './table';

type Figures = Readonly<Record<'start' | 'setMany' | 'entries' | 'get' | 'idle' | 'rss', number>>;

const rows: readonly (readonly [keyof Figures, string, number])[] = [
  ['start', 'MeshAccelerator.start in a fresh process (library, load, attach), ms', 0],
  ['setMany', 'localPodIps.setMany of 10,000 pods, the first call, ms', 1],
  ['entries', 'reading 10,000 pods back, ms', 1],
  ['get', 'localPodIps.get, ns', 0],
  ['idle', 'CPU of an idle process with an accelerator, %', 3],
  ['rss', 'its resident memory, MB', 0],
];

/** What the library costs its process, each figure from fresh processes. */
export function figures(runs = 5): void {
  const seen: Figures[] = [];
  using bed = Bed.create();
  for (let run = 0; run < runs; run++) {
    process.stderr.write(`run ${run + 1} of ${runs}\n`);
    const args = [join(__dirname, 'figures-child.mjs'), bed.cgroupPath];
    seen.push(JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Figures);
  }
  console.log(table([
    ['', 'median', 'lowest', 'highest'],
    ...rows.map(([name, label, digits]) => {
      const { median, min, max } = spread(seen.map(each => each[name]));
      return [label, ...[median, min, max].map(value => value.toFixed(digits))];
    }),
  ]));
}
