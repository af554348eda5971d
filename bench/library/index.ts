import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { objectPath } from 'merbridge';
import { BpfHashMap, bytes } from 'merbridge/bpf';
import { ownedDirectory } from '../../test/bed/owned';
import { execFileSync } from '../../test/bed/children';
import { Bed, ratio, spread } from '../../test/bed';
import { Bpffs } from '../../test/fixtures/bpffs';
import { describe } from '../comparison';
import { table } from '../table';
import { startFigures } from './start';

type Figures = Readonly<Partial<Record<string, number>>>;

/** Name in the children's JSON, what it says, digits. */
const rows: readonly (readonly [string, string, number])[] = [
  ['set', 'hash map, set one entry, ns', 0],
  ['get', 'get one, ns', 0],
  ['delete', 'delete one, ns', 0],
  ['setMany', 'set 10,000 in a batch, ns for each', 0],
  ['readAll', 'read 10,000 in batches, ns for each', 0],
  ['adopt', 'adopt a pinned map: open, check, close, µs', 1],
  ['load', 'open and load merbridge.bpf.o, ms', 1],
  ['attach', 'attach a program to a cgroup (the first call, which binds the function), µs', 0],
  ['rss', 'resident memory at the end, MiB', 1],
];

/**
 * The library beside C on the same libbpf and beside the npm package `bpf`: the same work, each in fresh processes, in
 * turn. Then what its start costs.
 */
export function library(runs = 7): void {
  const directory = ownedDirectory('bench');
  try {
    using bed = Bed.create();
    using bpffs = new Bpffs();
    const pin = bpffs.directory('map');
    using map = BpfHashMap.create({ name: 'bench', maxEntries: 1, key: bytes(16), value: bytes(8) });
    map.pin(pin);
    const compiled = join(directory, 'child');
    execFileSync('clang', ['-O2', '-o', compiled, join(__dirname, 'child.c'), '-lbpf'], { stdio: 'inherit' });
    const children: Readonly<Record<string, readonly [string, ...string[]]>> = {
      C: [compiled],
      merbridge: [process.execPath, join(__dirname, 'child.mjs')],
      'npm bpf': [process.execPath, join(__dirname, 'child-npm-bpf.mjs')],
    };
    const seen: Record<string, Figures[]> = Object.fromEntries(Object.keys(children).map(name => [name, []]));
    for (let run = 0; run < runs; run++) {
      process.stderr.write(`run ${run + 1} of ${runs}\n`);
      for (const [name, [command, ...args]] of Object.entries(children)) {
        const text = execFileSync(command, [...args, objectPath('merbridge'), bed.cgroupPath, pin], {
          encoding: 'utf8',
        });
        seen[name]?.push(JSON.parse(text) as Figures);
      }
    }
    console.log(`${report(seen)}\n\n${startFigures(bed.cgroupPath, runs)}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function report(seen: Readonly<Record<string, readonly Figures[]>>): string {
  const names = Object.keys(seen);
  const valuesOf = (name: string, figure: string): number[] => (seen[name] ?? []).flatMap(each => each[figure] ?? []);
  return table([
    ['', ...names, ...names.slice(1).map(name => `${name} × C`)],
    ...rows.map(([figure, label, digits]) => [
      label,
      ...names.map(name => cell(valuesOf(name, figure), digits)),
      ...names
        .slice(1)
        .map(name =>
          valuesOf(name, figure).length === 0 ? '-' : describe(ratio(valuesOf(name, figure), valuesOf('C', figure))),
        ),
    ]),
  ]);
}

function cell(values: readonly number[], digits: number): string {
  return values.length === 0 ? '-' : spread(values).median.toFixed(digits);
}
