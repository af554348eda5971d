import { enterMesh, enterNaiveMesh, load, ratio, startSidecar, type Mode } from '../test/bed';
import { compare, describe, speedRows, type Compared, type Enter } from './comparison';
import { readOptions } from './options';
import { nanosecondsPerRun, programTable } from './program-table';
import { table } from './table';

const defaults = { sidecar: 'haproxy', rounds: '5', seconds: '3', connections: '1,16,64', body: '8192' };

/** The library's modes, and `full` with a program for messages that keeps neither the order nor a bound. */
type HopMode = Mode | 'naive';

const modes: Readonly<Record<HopMode, Enter>> = {
  iptables: bed => enterMesh(bed, 'iptables'),
  naive: enterNaiveMesh,
  off: bed => enterMesh(bed, 'off'),
  proxies: bed => enterMesh(bed, 'proxies'),
  full: bed => enterMesh(bed, 'full'),
};

/** Requests over connections that stay: what the three hops between two applications cost. */
export async function hops(args: readonly string[]): Promise<void> {
  const options = readOptions('npm run bench -- hops', defaults, args, true);
  if (!options) return;
  for (const connections of options.connections) {
    console.log(`${options.sidecar}, ${connections} connections, answers of ${options.body} bytes`);
    const compared = await compare(modes, 'iptables', {
      ...options,
      prepare: async ({ client, server }) => {
        await Promise.all([client, server].map(pod => startSidecar(pod, { kind: options.sidecar, log: false })));
      },
      load: ({ client, url }, seconds) => load(client, { url, connections, seconds }),
    });
    report(compared);
  }
}

function report(compared: Compared<HopMode>): void {
  const names = Object.keys(modes) as HopMode[];
  const { naive, full } = compared.counted;
  console.log(
    `\n${table([
      ...speedRows('request', compared, 'iptables'),
      [
        'requests/s × naive',
        ...names.map(mode => describe(ratio(compared.modes[mode].values, compared.modes.naive.values))),
      ],
    ])}\n\n${programTable('request', compared.counted)}\n`,
  );
  const message = ratio(
    full.map(round => nanosecondsPerRun(round, 'mb_redirect_msg')),
    naive.map(round => nanosecondsPerRun(round, 'naive_msg')),
  );
  console.log(`A run of mb_redirect_msg in full takes ${describe(message)} × one of the naive program.\n`);
  const lost = names.filter(mode => mode !== 'naive' && compared.errors[mode] > 0);
  if (lost.length > 0) throw new Error(`requests were not answered under ${lost.join(', ')}`);
}
