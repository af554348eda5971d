import { MODES, enterMesh, load, startSidecar, type LoadResult, type Mode, type Pod } from '../test/bed';
import { compare, speedRows, type Compared, type Enter } from './comparison';
import { readOptions } from './options';
import { programTable } from './program-table';
import { table } from './table';
import { ALL_PORTS, type TwoPods } from './two-pods';

const defaults = { sidecar: 'haproxy', rounds: '9', seconds: '3', connections: '16', body: '64' };

/** Each connection keeps its port for a minute, and {@link ALL_PORTS} are no more than this. */
const MAX_CONNECTIONS = 64_000;

const modes = Object.fromEntries(MODES.map(mode => [mode, bed => enterMesh(bed, mode)])) as Readonly<
  Record<Mode, Enter>
>;

/**
 * A new connection for every request. The sidecars pass streams on, so both open one, too: three handshakes for a
 * request, and nothing is pooled.
 */
export async function connections(args: readonly string[]): Promise<void> {
  const options = readOptions('npm run bench -- connections', defaults, args);
  if (!options) return;
  console.log(`${options.sidecar}, ${options.connections[0]} at one time, answers of ${options.body} bytes`);
  const compared = await compare(modes, 'iptables', {
    ...options,
    prepare: async ({ client, server }) => {
      await Promise.all(
        [client, server].map(pod => {
          pod.admin('sysctl', ['-qw', ALL_PORTS]);
          return startSidecar(pod, { kind: options.sidecar, mode: 'tcp', log: false });
        }),
      );
    },
    load: (pods, seconds) => loadCounted(pods, options.connections[0] ?? 1, seconds),
  });
  report(compared);
}

/** Loads, and holds that each request made one connection of the client and one between the sidecars. */
async function loadCounted(pods: TwoPods, connections: number, seconds: number): Promise<LoadResult> {
  const before = redirected(pods);
  const result = await load(pods.client, { url: pods.url, connections, seconds, close: true });
  const after = redirected(pods);
  if (result.requests > MAX_CONNECTIONS)
    throw new Error(`${result.requests} connections in ${seconds} s: ports ran out, take fewer --seconds`);
  for (const side of ['outbound', 'inbound'] as const) {
    const made = after[side] - before[side];
    // Those that wrk breaks off at its end have no answer.
    if (made < result.requests || made > result.requests + 2 * connections)
      throw new Error(`${result.requests} requests made ${made} ${side} connections`);
  }
  return result;
}

/** How many connections were sent to a sidecar so far, by the accelerator or by iptables. */
function redirected({ client, server, mesh }: TwoPods): Record<'outbound' | 'inbound', number> {
  if (!mesh)
    return { outbound: translated(client, 'ISTIO_REDIRECT'), inbound: translated(server, 'ISTIO_IN_REDIRECT') };
  const { outbound, inbound } = mesh.counters();
  return { outbound: Number(outbound), inbound: Number(inbound) };
}

/** The packets that a chain's own rule took: the first of each connection. */
function translated(pod: Pod, chain: string): number {
  const rule = new RegExp(`^\\[(\\d+):\\d+\\] -A ${chain} `, 'm');
  return Number(rule.exec(pod.admin('iptables-save', ['-c', '-t', 'nat']))?.[1] ?? NaN);
}

function report(compared: Compared<Mode>): void {
  console.log(
    `\n${table(speedRows('connection', compared, 'iptables'))}\n\n${programTable('connection', compared.counted)}\n`,
  );
  const lost = MODES.filter(mode => compared.errors[mode] > 0);
  if (lost.length > 0) throw new Error(`requests were not answered under ${lost.join(', ')}`);
}
