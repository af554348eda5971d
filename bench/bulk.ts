import { APPLICATION_UID, MODES, enterMesh, interleave, startService, startSidecar, type Mode } from '../test/bed';
import { describe } from './comparison';
import { readOptions } from './options';
import { table } from './table';
import { measureInTwoPods, type TwoPods } from './two-pods';

const defaults = { sidecar: 'haproxy', rounds: '5', seconds: '5', connections: '1,8', body: '64' };
const PORT = 5201;

/** Bulk streams through sidecars that pass them on: what all of them carry together, by iperf3. */
export async function bulk(args: readonly string[]): Promise<void> {
  const options = readOptions('npm run bench -- bulk', defaults, args, true);
  if (!options) return;
  const { sidecar, rounds, seconds, body } = options;
  for (const streams of options.connections) {
    const one = (mode: Mode) => (): Promise<number> => measureInTwoPods(mode, bed => enterMesh(bed, mode), body, async pods => {
      const { client, server } = pods;
      await Promise.all([client, server].map(pod => startSidecar(pod, { kind: sidecar, mode: 'tcp', log: false })));
      await startService(server, { name: 'iperf3', command: 'iperf3', args: ['-s', '-p', `${PORT}`], uid: APPLICATION_UID, ports: [PORT] });
      return gigabits(pods, streams, seconds);
    });
    const compared = await interleave(
      Object.fromEntries(MODES.map(mode => [mode, one(mode)])) as Record<Mode, () => Promise<number>>, 'iptables', rounds,
      (mode, round, value) => process.stderr.write(`round ${round + 1}/${rounds}  ${mode.padEnd(9)}${value.toFixed(1)} Gbit/s\n`));
    console.log(`\n${table([
      [`${sidecar}, ${streams} streams of ${seconds} s`, ...MODES],
      [`Gbit/s, median of ${rounds}`, ...MODES.map(mode => compared.modes[mode].median.toFixed(1))],
      ['  × iptables', ...MODES.map(mode => describe(compared.ratios[mode]))],
    ])}\n`);
  }
}

async function gigabits({ client, server }: TwoPods, streams: number, seconds: number): Promise<number> {
  const { code, stdout, stderr } = await client.run(
    'iperf3', ['-c', server.address, '-p', `${PORT}`, '-t', `${seconds}`, '-P', `${streams}`, '-J'],
    { uid: APPLICATION_UID, timeoutMs: (seconds + 20) * 1000 });
  if (code !== 0) throw new Error(`iperf3 failed: ${stderr}${stdout}`);
  return (JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } }).end.sum_received.bits_per_second / 1e9;
}
