import { APPLICATION_UID, load, startService, startSidecar, type Pod, type SidecarKind } from '../../test/bed';
import { measureInTwoPods, type TwoPods } from '../two-pods';
import type { Figure } from './figure';
import { enterBy, type Way } from './modes';

const PING_PONG_PORT = 11111;
const BULK_PORT = 5201;
/** At one time, while new connections are counted. */
const RATE_CONNECTIONS = 16;
/** A pod has this many ports for connections to one destination, and each keeps its port for a minute. */
const PORTS = '1024 65535';

/** Streams that the sidecars pass on as they are: a ping-pong, a bulk stream, and new connections; in fresh pods. */
export async function streams(way: Way, sidecar: SidecarKind, seconds: number): Promise<Figure[]> {
  return measureInTwoPods(way, enterBy(way), 64, async pods => {
    const { client, server, url } = pods;
    for (const pod of [client, server]) pod.admin('sysctl', ['-qw', `net.ipv4.ip_local_port_range=${PORTS}`]);
    if (way !== 'no mesh') await Promise.all([client, server].map(pod => startSidecar(pod, { kind: sidecar, mode: 'tcp', log: false })));
    const { qps, errors } = await load(client, { url, connections: RATE_CONNECTIONS, seconds, close: true });
    if (errors > 0) throw new Error(`${way}, new connections: ${errors} requests were not answered`);
    const figures: Omit<Figure, 'connections'>[] = [
      { metric: 'pingPong', value: await pingPong(pods, seconds) },
      { metric: 'rate', value: qps },
      { metric: 'bulk', value: await bulk(pods, seconds) },
    ];
    return figures.map(figure => ({ ...figure, connections: undefined }));
  });
}

/** Half of a round trip of 64 bytes in microseconds, median, by sockperf. */
async function pingPong({ client, server }: TwoPods, seconds: number): Promise<number> {
  const address = ['-i', server.address, '-p', `${PING_PONG_PORT}`, '--tcp'];
  const service = await startService(server, {
    name: 'sockperf', command: 'sockperf', args: ['server', ...address], uid: APPLICATION_UID, ports: [PING_PONG_PORT],
  });
  try {
    const text = await run(client, 'sockperf', ['ping-pong', ...address, '-m', '64', '-t', `${seconds}`], seconds);
    return numberIn(text, /percentile 50\.000 =\s+([\d.]+)/);
  } finally {
    await service.stop();
  }
}

/** What a reader receives of one stream in Gbit/s, by iperf3. */
async function bulk({ client, server }: TwoPods, seconds: number): Promise<number> {
  const service = await startService(server, {
    name: 'iperf3', command: 'iperf3', args: ['-s', '-p', `${BULK_PORT}`], uid: APPLICATION_UID, ports: [BULK_PORT],
  });
  try {
    const text = await run(client, 'iperf3', ['-c', server.address, '-p', `${BULK_PORT}`, '-t', `${seconds}`, '-J'], seconds);
    const { end } = JSON.parse(text) as { end: { sum_received: { bits_per_second: number } } };
    return end.sum_received.bits_per_second / 1e9;
  } finally {
    await service.stop();
  }
}

async function run(pod: Pod, command: string, args: readonly string[], seconds: number): Promise<string> {
  const { code, signal, stdout, stderr } = await pod.run(command, args, { uid: APPLICATION_UID, timeoutMs: (seconds + 15) * 1000 });
  if (code !== 0) throw new Error(`${command} in pod ${pod.name} failed (${code ?? signal}): ${stderr}${stdout}`);
  return stdout;
}

function numberIn(text: string, pattern: RegExp): number {
  const value = pattern.exec(text)?.[1];
  if (value === undefined) throw new Error(`unexpected output:\n${text}`);
  return Number(value);
}
