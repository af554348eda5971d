/**
 * The main job on this one machine: two pods with unmodified sidecars, under iptables and under the library, side by
 * side.
 *
 * Exits with 0 only if every first request and every request was answered, every sidecar was told the right original
 * destination, and nothing is left. Speed is shown, not judged: machines differ.
 */
import { Bed, MODES, interleave, median, type Mode, type Spread } from '../test/bed';
import { meshRound, type RoundResult } from './mesh-round';
import { readOptions, type Options } from './options';
import { table } from './table';

const defaults = { sidecar: 'haproxy', rounds: '5', seconds: '3', connections: '16', body: '8192' };

async function main(): Promise<void> {
  const options = readOptions('npm run demo --', defaults, process.argv.slice(2));
  if (!options) return;
  const swept = Bed.sweep();
  if (swept.length > 0) console.log(`An earlier run was killed; removed what it left:\n${list(swept)}\n`);

  console.log(
    `Two pods on this machine, each a network namespace with a cgroup and an unmodified ${options.sidecar} as its sidecar.\n` +
      "iptables: Istio's own rules. off, proxies, full: no iptables rule, the library in each of its scopes.\n",
  );
  const results = new Map<Mode, RoundResult[]>(MODES.map(mode => [mode, []]));
  const run =
    (mode: Mode) =>
    async (round: number): Promise<number> => {
      process.stdout.write(`round ${round + 1}/${options.rounds}  ${mode.padEnd(9)}`);
      const result = await meshRound(mode, options);
      results.get(mode)?.push(result);
      console.log(`first request ${describeFirst(result)}, ${Math.round(result.load.qps)} requests/s`);
      return result.load.qps;
    };
  const comparison = await interleave(
    { iptables: run('iptables'), off: run('off'), proxies: run('proxies'), full: run('full') },
    'iptables',
    options.rounds,
  );
  console.log(`\n${summary(results, comparison.ratios, options)}\n`);
  const all = [...results.values()].flat();
  console.log(`Removed after the last round:\n${list(all.at(-1)?.removed ?? [])}`);
  process.exitCode = verdict(all);
}

function describeFirst({ first }: RoundResult): string {
  return first.ok ? `answered in ${first.milliseconds.toFixed(1)} ms` : `FAILED (${first.error || first.status})`;
}

function summary(
  results: ReadonlyMap<Mode, readonly RoundResult[]>,
  ratios: Readonly<Record<Mode, Spread>>,
  options: Options,
): string {
  const each = (cell: (rounds: readonly RoundResult[], mode: Mode) => string): string[] =>
    MODES.map(mode => cell(results.get(mode) ?? [], mode));
  const mid = (rounds: readonly RoundResult[], figure: (round: RoundResult) => number): number =>
    median(rounds.map(figure));
  return table([
    ['', ...MODES],
    ['first request answered', ...each(rounds => `${rounds.filter(r => r.first.ok).length} of ${rounds.length}`)],
    ['  in ms, median', ...each(rounds => mid(rounds, r => r.first.milliseconds).toFixed(1))],
    ['client dialled', ...each(rounds => rounds[0]?.dialled ?? '-')],
    ['  its getpeername', ...each(rounds => rounds[0]?.first.peer || '-')],
    ['  its sidecar was told', ...each(rounds => rounds[0]?.outbound || '-')],
    ['  the other sidecar too', ...each(rounds => rounds[0]?.inbound || '-')],
    ['requests answered', ...each(rounds => answered(rounds))],
    [
      `requests/s, ${options.connections[0]} connections, ${options.body} bytes`,
      ...each(rounds => String(Math.round(mid(rounds, r => r.load.qps)))),
    ],
    ['  × iptables, median', ...each((_, mode) => ratios[mode].median.toFixed(2))],
    ['  lowest to highest', ...each((_, mode) => `${ratios[mode].min.toFixed(2)}–${ratios[mode].max.toFixed(2)}`)],
    ['p50 in ms, median', ...each(rounds => mid(rounds, r => r.load.p50).toFixed(2))],
    ['p99 in ms, median', ...each(rounds => mid(rounds, r => r.load.p99).toFixed(2))],
  ]);
}

function answered(rounds: readonly RoundResult[]): string {
  const requests = rounds.reduce((sum, r) => sum + r.load.requests, 0);
  const errors = rounds.reduce((sum, r) => sum + r.load.errors, 0);
  return `${((100 * (requests - errors)) / requests).toFixed(errors === 0 ? 0 : 3)} % of ${requests}`;
}

function verdict(all: readonly RoundResult[]): number {
  const faults: string[] = [];
  const count = (what: string, bad: (round: RoundResult) => boolean): void => {
    const n = all.filter(bad).length;
    if (n > 0) faults.push(`${what} in ${n} of ${all.length} rounds`);
  };
  count('the first request was not answered', r => !r.first.ok);
  count('requests were not answered', r => r.load.errors > 0);
  count('a sidecar was told a wrong original destination', r => r.outbound !== r.dialled || r.inbound !== r.dialled);
  count('getpeername named another destination', r => r.first.peer !== r.dialled);
  count('something was left', r => r.leftovers.length > 0);
  if (faults.length === 0) {
    console.log('Nothing is left of it: no cgroup, no network namespace, no process, no pin.');
    return 0;
  }
  console.error(`\nFAILED:\n${list(faults)}\n${list(all.flatMap(r => r.leftovers))}`);
  return 1;
}

function list(lines: readonly string[]): string {
  return lines.map(line => `  - ${line}`).join('\n');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
