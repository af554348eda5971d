/**
 * Readers that stop: what they cost the kernel, that their streams stay whole, and that everything goes with them when
 * they die.
 */
// Alone: it measures the memory of all TCP sockets of the machine.
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Acceleration, MeshAccelerator } from 'merbridge';
import { execFileSync } from '../bed/children';
import {
  Bed,
  SCOPES,
  WEB_PORT,
  enterMesh,
  load,
  startSidecar,
  startStall,
  startWebServer,
  tcpMemory,
  type LoadResult,
  type Pod,
  type StallEnd,
  type StalledStreams,
} from '../bed';
import { held } from '../fixtures/held';

const CONNECTIONS = 8;
/** A stream is longer than all that may be kept of it, by far: what a sockmap without a bound keeps is all of it. */
const BYTES = 64e6;

/** The kernel's default up to Linux 6.16 and that of every release. (Since 6.17 a socket may receive up to 32 MiB.) */
const TCP_RMEM = '4096 131072 6291456';
const TCP_WMEM = '4096 16384 4194304';
/**
 * What TCP itself lets the two ends of a connection keep. Those out of scope are plain TCP: no less, also under
 * iptables.
 */
const PLAIN = 6291456 + 4194304;
/** What the ends of an accelerated connection may keep. */
const ACCELERATED = 16e6 / 3;
/** A stream through the mesh is three connections; 16 MB for all of them where each is accelerated. */
const LIMIT: Readonly<Record<Acceleration, number>> = {
  off: 3 * PLAIN,
  proxies: 2 * PLAIN + ACCELERATED,
  full: 3 * ACCELERATED,
};
/**
 * Each CPU keeps up to a MiB of TCP's memory in advance, and gives back as late: so far off a sample may be, in bytes
 * for each stream.
 */
const RESERVE = (4e6 + 2e6 * availableParallelism()) / CONNECTIONS;

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

async function sidecars(mode: 'http' | 'tcp', pods: readonly Pod[]): Promise<void> {
  for (const pod of pods) {
    pod.admin('sh', [
      '-c',
      `echo '${TCP_RMEM}' > /proc/sys/net/ipv4/tcp_rmem; echo '${TCP_WMEM}' > /proc/sys/net/ipv4/tcp_wmem`,
    ]);
    await startSidecar(pod, { kind: 'haproxy', mode, log: false });
  }
}

/** Sockets of a pod that hold a connection, dying ones too. TIME-WAIT holds none. */
function connections(pod: Pod): string[] {
  const sockets = pod.admin('ss', ['-tanH', 'state', 'all', 'exclude', 'listening', 'exclude', 'time-wait']);
  return sockets.split('\n').filter(Boolean);
}

/** Keys of `peer_introductions`, byte by byte: of ends that told of themselves and were not asked. */
function introductions(): number[][] {
  const own = new Set(held('map_id'));
  const maps = JSON.parse(execFileSync('bpftool', ['-j', 'map', 'list'], { encoding: 'utf8' })) as {
    id: number;
    name?: string;
  }[];
  const map = maps.find(({ id, name }) => own.has(id) && name?.startsWith('peer_introd'));
  assert.ok(map, 'the map is there');
  const dump = execFileSync('bpftool', ['-j', 'map', 'dump', 'id', `${map.id}`], { encoding: 'utf8' });
  return (JSON.parse(dump) as { key: string[] }[]).map(({ key }) => key.map(Number));
}

/** Waits until nothing is left of connections of these pods. */
async function nothingRemains(mesh: MeshAccelerator, pods: readonly Pod[]): Promise<void> {
  const addresses = pods.map(pod => pod.address);
  for (let attempt = 0; ; attempt++) {
    const left = {
      connections: pods.flatMap(connections).length,
      accelerated: [...mesh.sockPairMap.entries()].filter(
        ([{ local, remote }]) => addresses.includes(local.address) || addresses.includes(remote.address),
      ).length,
      introductions: introductions()
        .map(key => key.join('.'))
        .filter(key => addresses.some(address => key.includes(`.${address}.`))).length,
    };
    if (Object.values(left).every(value => value === 0)) return;
    assert.ok(attempt < 150, `left behind: ${JSON.stringify(left)}`);
    await setTimeout(100);
  }
}

/** Memory of TCP, for each stream: the most that was held, and what did not come back. */
interface Measured {
  readonly held: number;
  readonly kept: number;
}

/** The whole machine is measured, and others live on it: what they take in all of three attempts does not count. */
async function bounded(scope: Acceleration, measure: () => Promise<Measured>): Promise<void> {
  let least: Measured = { held: Infinity, kept: Infinity };
  for (let attempt = 0; attempt < 3 && (least.held > LIMIT[scope] || least.kept > RESERVE); attempt++) {
    const once = await measure();
    least = { held: Math.min(least.held, once.held), kept: Math.min(least.kept, once.kept) };
  }
  assert.ok(least.held <= LIMIT[scope], `TCP held ${megabytes(least.held)} for each stream`);
  assert.ok(least.kept <= RESERVE, `TCP kept ${megabytes(least.kept)} for each stream`);
}

/** Half of the readers stop at once, half when the buffers on the way have grown. */
class Stalled implements AsyncDisposable {
  static async start(from: Pod, to: Pod, sleep: number): Promise<Stalled> {
    const options = { bytes: BYTES, sleep, connections: CONNECTIONS / 2 };
    const atOnce = await startStall(from, to, options);
    return new Stalled([atOnce, await startStall(from, to, { ...options, first: BYTES / 4, port: 9002 })]);
  }

  private constructor(private readonly halves: readonly StalledStreams[]) {}

  /** Takes the machine's costs from the first half: it has measured from the beginning. */
  perStream(t: TestContext, what: string): number {
    const { memory, tcpMemory } = this.halves[0]!.cost();
    t.diagnostic(
      `${what}: for each stream TCP + ${megabytes(tcpMemory / CONNECTIONS)}, machine + ${megabytes(memory / CONNECTIONS)}`,
    );
    return tcpMemory / CONNECTIONS;
  }

  async killReaders(): Promise<void> {
    await Promise.all(this.halves.map(half => half.killReader()));
  }

  async ended(): Promise<StallEnd[]> {
    return (await Promise.all(this.halves.map(half => half.ended()))).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.halves.map(half => half[Symbol.asyncDispose]()));
  }
}

/** What TCP keeps beyond what it held before, for each stream, once it has had the time to give it back. */
async function kept(before: number): Promise<number> {
  let least = Infinity;
  for (let attempt = 0; attempt < 50 && least > RESERVE; attempt++) {
    least = Math.min(least, (tcpMemory() - before) / CONNECTIONS);
    await setTimeout(100);
  }
  return least;
}

/** Eight streams to readers that stop for 4 s. */
async function stopForAWhile(scope: Acceleration, t: TestContext): Promise<Measured> {
  using bed = Bed.create({ subnet: 61 });
  const [client, server] = [bed.pod('client'), bed.pod('server')];
  await using mesh = await enterMesh(bed, scope);
  await sidecars('tcp', bed.pods);
  const before = tcpMemory();
  let held: number;
  {
    await using streams = await Stalled.start(client, server, 4);
    const ends = await streams.ended();
    held = streams.perStream(t, `${scope}, 4 s`);
    assert.deepEqual(
      ends,
      Array.from({ length: CONNECTIONS }, () => ({ bytes: BYTES, wrongAt: -1 })),
    );
    assert.equal(mesh.counters().redirectedBytes > 0n, scope !== 'off');
  }
  await nothingRemains(mesh, bed.pods);
  return { held, kept: await kept(before) };
}

/** The same to readers that stop for ever and are killed, with neighbours that go about their business meanwhile. */
async function stopForEver(scope: Acceleration, t: TestContext): Promise<Measured> {
  using bed = Bed.create({ subnet: 62 });
  const [client, server] = [bed.pod('client'), bed.pod('server')];
  const [neighbour, web] = [bed.pod('neighbour'), bed.pod('web')];
  await using mesh = await enterMesh(bed, scope);
  await sidecars('tcp', [client, server]);
  await sidecars('http', [neighbour, web]);
  await startWebServer(web);
  const url = `http://${web.address}:${WEB_PORT}/`;
  const requests = (): Promise<LoadResult> => load(neighbour, { url, connections: 8, seconds: 2 });

  const usual = await requests();
  const before = tcpMemory();
  let held: number;
  let meanwhile: LoadResult;
  {
    await using streams = await Stalled.start(client, server, 3600);
    await setTimeout(2000); // until all buffers are full
    meanwhile = await requests();
    held = streams.perStream(t, `${scope}, for ever`);

    const killed = performance.now();
    await streams.killReaders();
    const ends = await Promise.race([streams.ended(), setTimeout(30_000, 'no end within 30 s', { ref: false })]);
    t.diagnostic(
      `${scope}, for ever: the senders knew ${((performance.now() - killed) / 1000).toFixed(1)} s after the reader's end`,
    );
    assert.ok(Array.isArray(ends), ends as string);
    assert.equal(ends.length, CONNECTIONS);
    for (const end of ends) assert.ok('error' in end, JSON.stringify(end));
    await nothingRemains(mesh, [client, server]);
  }
  const left = await kept(before);
  const after = await requests();
  const rate = ({ qps }: LoadResult): string => `${Math.round(qps)}/s`;
  t.diagnostic(
    `${scope}: neighbours' requests ${rate(usual)} before, ${rate(meanwhile)} meanwhile, ${rate(after)} after: ` +
      `x ${((2 * meanwhile.qps) / (usual.qps + after.qps)).toFixed(2)}`,
  );
  assert.ok(meanwhile.qps > 0.2 * Math.min(usual.qps, after.qps), 'they go on');
  return { held, kept: left };
}

for (const scope of SCOPES) {
  test(
    `haproxy, ${scope}: ${CONNECTIONS} readers that stop for 4 s cost a bounded amount, and the streams are whole`,
    { timeout: 120_000 },
    t => bounded(scope, () => stopForAWhile(scope, t)),
  );

  test(
    `haproxy, ${scope}: readers that stop for ever cost a bounded amount, slow down nobody, and take their streams along when killed`,
    {
      timeout: 120_000,
    },
    t => bounded(scope, () => stopForEver(scope, t)),
  );
}
