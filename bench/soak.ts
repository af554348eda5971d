/**
 * The long form of `mesh-soak.test.ts`: streams of every kind through real sidecars, in every scope and
 * under iptables as the control, every byte checked. Exits with 0 only if no stream lost, moved or doubled a byte, and
 * none hung.
 */
import {
  Bed,
  DAMAGES,
  FINDERS,
  Ground,
  Tally,
  findDamage,
  notHere,
  runCases,
  type BadStream,
  type CaseName,
  type Mode,
  type SidecarKind,
} from '../test/bed';
import { soakOptions, usage, type SoakOptions } from './soak-options';
import { table } from './table';

/** A stream on which nothing moves for so long has hung. Nobody here waits for more than a fraction of a second. */
const LIMIT_MS = 30_000;

/** What was found, by case and by how it was carried. */
class Results {
  readonly #tallies = new Map<string, Tally>();

  add(sidecar: SidecarKind, mode: Mode, name: CaseName, tally: Tally): void {
    this.#tallies.set(`${sidecar} ${mode} ${name}`, this.#get(sidecar, mode, name).add(tally));
  }

  #get(sidecar: SidecarKind, mode: Mode, name: CaseName): Tally {
    return this.#tallies.get(`${sidecar} ${mode} ${name}`) ?? new Tally();
  }

  /** All of some cases and modes of the sidecars together. */
  sum(sidecars: readonly SidecarKind[], modes: readonly Mode[], names: readonly CaseName[]): Tally {
    const all = sidecars.flatMap(sidecar => modes.flatMap(mode => names.map(name => this.#get(sidecar, mode, name))));
    return all.reduce((sum, tally) => sum.add(tally), new Tally());
  }

  table(sidecar: SidecarKind, { modes, cases }: SoakOptions): string {
    const row = (title: string, names: readonly CaseName[]): string[] => {
      const sum = this.sum([sidecar], modes, names);
      const streams = modes.map(mode => number(this.sum([sidecar], [mode], names).streams || undefined));
      return [title, ...streams, ...DAMAGES.map(damage => String(sum.count(damage)))];
    };
    return table([
      [`${sidecar}: streams`, ...modes, ...DAMAGES],
      ...cases.map(name => row(name, [name])),
      row('all', cases),
    ]);
  }
}

async function main(): Promise<void> {
  const options = soakOptions(process.argv.slice(2));
  if (options === 'help') return console.log(usage);
  console.log(`seed ${options.seed}`);
  const swept = Bed.sweep();
  if (swept.length > 0)
    console.log(`An earlier run was killed; removed what it left:\n${swept.map(line => `  - ${line}`).join('\n')}`);
  process.exitCode = (await (options.naive ? naive(options) : soak(options))) ? 0 : 1;
}

async function soak(options: SoakOptions): Promise<boolean> {
  const { minutes, seed, cases, modes, sidecars } = options;
  const results = new Results();
  const started = Date.now();
  const over = (): boolean => Date.now() - started > minutes * 60_000;
  const grounds = sidecars.flatMap(sidecar => modes.map(mode => ({ sidecar, mode })));
  let rounds = 0;
  for (; rounds === 0 || !over(); rounds++) {
    for (const { sidecar, mode } of grounds) {
      if (rounds > 0 && over()) break;
      await ride(options, results, rounds, sidecar, mode);
    }
  }
  const all = results.sum(sidecars, modes, cases);
  for (const sidecar of sidecars) console.log(`\n${results.table(sidecar, options)}`);
  const damage = DAMAGES.map(what => `${all.count(what)} ${what}`).join(', ');
  console.log(
    `\n${number(all.streams)} streams, ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, ${((Date.now() - started) / 60_000).toFixed(1)} minutes: ${damage}; ${number(all.again)} reads of threads repeated; seed ${seed}`,
  );
  return all.streams > 0 && all.bad.length === 0;
}

/** All cases over one ground. */
async function ride(
  { seed: first, cases }: SoakOptions,
  results: Results,
  round: number,
  sidecar: SidecarKind,
  mode: Mode,
): Promise<void> {
  const seed = (first + round) >>> 0;
  const began = Date.now();
  const sum = new Tally();
  await using ground = await Ground.open({ path: mode, sidecar, threads: 1 + (seed % 2) });
  for (const name of cases.filter(name => notHere(name, ground.options) === undefined)) {
    const replay = `replay: npm run soak -- --seed ${seed} --case ${name} --scope ${mode} --sidecar ${sidecar}`;
    try {
      const tally = await runCases([name], ground, seed, {
        scale: 2,
        seconds: 4,
        downloadBytes: round === 0 ? 2e9 : 1e8,
        limitMs: LIMIT_MS,
      });
      results.add(sidecar, mode, name, tally);
      sum.add(tally);
      for (const stream of tally.bad.slice(0, 5)) console.log(describe(stream));
      if (tally.bad.length > 0) console.log(`  ${tally.bad.length} of ${tally.streams} streams; ${replay}`);
    } catch (error) {
      console.error(replay);
      throw error;
    }
  }
  const verdict = sum.bad.length === 0 ? 'ok' : `${sum.bad.length} DAMAGED`;
  console.log(
    `round ${round + 1}  ${sidecar.padEnd(7)}  ${mode.padEnd(8)}  ${number(sum.streams).padStart(7)} streams  ${((Date.now() - began) / 1000).toFixed(0)} s  ${verdict}`,
  );
}

/** Whether the bed finds what a naive program does. */
async function naive({ seed, sidecars }: SoakOptions): Promise<boolean> {
  let everywhere = true;
  for (const [sidecar, finder] of sidecars.flatMap(sidecar => FINDERS.map(finder => [sidecar, finder] as const))) {
    const { streams, bad } = await findDamage(finder, sidecar, seed);
    console.log(
      `naive program, ${sidecar}, ${finder}: ${bad.length} of ${number(streams)} streams damaged${bad.length > 0 ? ', such as' : ''}`,
    );
    for (const stream of bad.slice(0, 5)) console.log(describe(stream));
    everywhere &&= bad.length > 0;
  }
  console.log(everywhere ? 'The bed finds it.' : 'The bed does NOT find it.');
  return everywhere;
}

function describe({ damage, family, kind, index, role, arrived, of, wrongAt, error }: BadStream): string {
  const what = [
    arrived === undefined ? '' : `${arrived} of ${of ?? '?'} bytes arrived`,
    wrongAt === undefined || wrongAt < 0 ? '' : `wrong from ${wrongAt} on`,
    error ?? '',
  ]
    .filter(Boolean)
    .join(', ');
  return `  ${damage}: stream ${family} ${index ?? '?'} (${kind}), as the ${role} saw it: ${what}`;
}

function number(value: number | undefined): string {
  return value === undefined ? '–' : value.toLocaleString('en');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
