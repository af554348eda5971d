import { MODES, enterMesh, interleave, startSidecar, type Mode } from '../test/bed';
import { describe } from './comparison';
import { gigabits, startIperf3 } from './iperf3';
import { readOptions } from './options';
import { table } from './table';
import { measureInTwoPods } from './two-pods';

const defaults = { sidecar: 'haproxy', rounds: '5', seconds: '5', connections: '1,8', body: '64' };

/** Bulk streams through sidecars that pass them on: what all of them carry together, by iperf3. */
export async function bulk(args: readonly string[]): Promise<void> {
  const options = readOptions('npm run bench -- bulk', defaults, args, true);
  if (!options) return;
  const { sidecar, rounds, seconds, body } = options;
  for (const streams of options.connections) {
    const one = (mode: Mode) => (): Promise<number> =>
      measureInTwoPods(
        mode,
        bed => enterMesh(bed, mode),
        body,
        async ({ client, server }) => {
          await Promise.all([client, server].map(pod => startSidecar(pod, { kind: sidecar, mode: 'tcp', log: false })));
          await startIperf3(server);
          return gigabits(client, server, streams, seconds);
        },
      );
    const compared = await interleave(
      Object.fromEntries(MODES.map(mode => [mode, one(mode)])) as Record<Mode, () => Promise<number>>,
      'iptables',
      rounds,
      (mode, round, value) =>
        process.stderr.write(`round ${round + 1}/${rounds}  ${mode.padEnd(9)}${value.toFixed(1)} Gbit/s\n`),
    );
    console.log(
      `\n${table([
        [`${sidecar}, ${streams} streams of ${seconds} s`, ...MODES],
        [`Gbit/s, median of ${rounds}`, ...MODES.map(mode => compared.modes[mode].median.toFixed(1))],
        ['  × iptables', ...MODES.map(mode => describe(compared.ratios[mode]))],
      ])}\n`,
    );
  }
}
