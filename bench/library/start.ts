import { join } from 'node:path';
import { execFileSync } from '../../test/bed/children';
import { spread } from '../../test/bed';
import { table } from '../table';

type Figures = Readonly<Record<'require' | 'requireCollections' | 'start' | 'startCollections', number>>;

const rows: readonly (readonly [keyof Figures, string])[] = [
  ['require', "require('merbridge'), ms"],
  ['requireCollections', 'full garbage collections in it'],
  ['start', 'MeshAccelerator.start, ms'],
  ['startCollections', 'full garbage collections in it'],
];

/** Megabytes of objects that the process holds. */
const HEAPS = [0, 51] as const;

/**
 * What a process pays for the library at its start: with an empty heap, and beside the objects of an application, in
 * turn.
 */
export function startFigures(cgroup: string, runs: number): string {
  const seen = HEAPS.map((): Figures[] => []);
  for (let run = 0; run < runs; run++)
    HEAPS.forEach((megabytes, index) => {
      const text = execFileSync(process.execPath, [join(__dirname, 'child-start.mjs'), cgroup, String(megabytes)], {
        encoding: 'utf8',
      });
      seen[index]?.push(JSON.parse(text) as Figures);
    });
  return table([
    ['', ...HEAPS.map(megabytes => (megabytes === 0 ? 'empty process' : `beside ${megabytes} MB of objects`))],
    ...rows.map(([figure, label]) => [label, ...seen.map(each => cell(each.map(figures => figures[figure])))]),
  ]);
}

function cell(values: readonly number[]): string {
  const { median, min, max } = spread(values);
  return `${median.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)})`;
}
