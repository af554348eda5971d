import { APPLICATION_UID, load, startService, type Pod } from '../../test/bed';
import { gigabits, startIperf3 } from '../iperf3';
import { run } from '../run';
import { ALL_PORTS, type TwoPods } from '../two-pods';
import { inAllWays, startSidecars } from './all-ways';
import type { CompareOptions } from './options';
import type { Round } from './round';

const PING_PONG_PORT = 11111;
/** At one time, while new connections are counted. */
const RATE_CONNECTIONS = 16;
/** A port in TIME_WAIT is taken again after a second, not after a minute. */
const PORTS = [ALL_PORTS, 'net.ipv4.tcp_tw_reuse=1'];

/** What is measured, in this order. New connections come first: they need the ports of a pod, the others take few. */
const STREAMS = [
  ['new connections', 'rate', newConnections],
  ['ping-pong', 'pingPong', pingPong],
  ['a bulk stream', 'bulk', bulk],
] as const;

/** As many as {@link STREAMS} has. */
export const STREAM_POINTS = STREAMS.length;

/** Streams that the sidecars pass on as they are. */
export async function streams({ sidecar, seconds }: CompareOptions, round: Round): Promise<void> {
  await inAllWays(round.ways, 64, async pods => {
    for (const way of round.ways) {
      const { client, server } = pods[way];
      for (const pod of [client, server]) pod.admin('sysctl', ['-qw', ...PORTS]);
      await startSidecars(way, pods[way], sidecar, 'tcp');
      await startServers(server);
    }
    for (const [name, metric, measure] of STREAMS) {
      await round.point(name, async way => [
        { metric, connections: undefined, value: await measure(pods[way], seconds) },
      ]);
    }
  });
}

/** Connections that wrk made in a second, one for each request. */
async function newConnections({ client, url }: TwoPods, seconds: number): Promise<number> {
  const { qps, errors } = await load(client, { url, connections: RATE_CONNECTIONS, seconds, close: true });
  if (errors > 0) throw new Error(`${errors} requests were not answered`);
  return qps;
}

/**
 * They stay for all measurements of a round: a server that is started anew may find its port taken by connections that
 * are still closing.
 */
async function startServers(pod: Pod): Promise<void> {
  await startService(pod, {
    name: 'sockperf',
    command: 'sockperf',
    args: ['server', ...pingPongAt(pod)],
    uid: APPLICATION_UID,
    ports: [PING_PONG_PORT],
  });
  await startIperf3(pod);
}

function pingPongAt({ address }: Pod): string[] {
  return ['-i', address, '-p', `${PING_PONG_PORT}`, '--tcp'];
}

/** Half of a round trip of 64 bytes in microseconds, median, by sockperf. */
async function pingPong({ client, server }: TwoPods, seconds: number): Promise<number> {
  const text = await run(
    client,
    'sockperf',
    ['ping-pong', ...pingPongAt(server), '-m', '64', '-t', `${seconds}`],
    seconds,
  );
  return numberIn(text, /percentile 50\.000 =\s+([\d.]+)/);
}

function bulk({ client, server }: TwoPods, seconds: number): Promise<number> {
  return gigabits(client, server, 1, seconds);
}

function numberIn(text: string, pattern: RegExp): number {
  const value = pattern.exec(text)?.[1];
  if (value === undefined) throw new Error(`unexpected output:\n${text}`);
  return Number(value);
}
