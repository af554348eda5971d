/**
 * Readers that stop: what they cost the kernel, that their streams stay whole, and that everything goes with them when
 * they die.
 */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Acceleration, MeshAccelerator } from 'merbridge';
import { execFileSync } from '../../bed/children';
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
} from '../../bed';
import { until } from '../../bed/shell';
import { held } from '../../fixtures/held';

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
/** TCP keeps some memory in advance for each CPU and gives it back late: what may be left when all is over. */
const RESERVE = 4e6 + 2e6 * availableParallelism();

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
    assert.ok(attempt < 600, `left behind: ${JSON.stringify(left)}`);
    await setTimeout(100);
  }
}

/** What was held of a stream at the worst moment was something, and no more than it may be. */
function assertBounded(scope: Acceleration, held: number): void {
  assert.ok(held > 64e3 && held <= LIMIT[scope], `the sockets held ${megabytes(held)} for each stream`);
}

/** Half of the readers stop at once, half when the buffers on the way have grown. */
class Stalled implements AsyncDisposable {
  static async start(from: Pod, to: Pod, sleep: number): Promise<Stalled> {
    const options = { bytes: BYTES, sleep, connections: CONNECTIONS / 2 };
    const atOnce = await startStall(from, to, options);
    return new Stalled([atOnce, await startStall(from, to, { ...options, first: BYTES / 4, port: 9002 })]);
  }

  private constructor(private readonly halves: readonly StalledStreams[]) {}

  /** Takes the costs from the first half: it has measured from the beginning. */
  perStream(t: TestContext, what: string, mesh: MeshAccelerator): number {
    const { memory, tcpMemory: ofAll, socketMemory } = this.halves[0]!.cost();
    const held = mesh.backlogAccount === 'kernel' ? socketMemory : ofAll;
    t.diagnostic(
      `${what}: for each stream sockets + ${megabytes(held / CONNECTIONS)}, machine + ${megabytes(memory / CONNECTIONS)}`,
    );
    return held / CONNECTIONS;
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

/** Waits until TCP has given everything back. Others may hold something, but not all the time. */
async function comesBack(before: number): Promise<void> {
  await until(
    'TCP gives its memory back',
    () => tcpMemory() - before <= RESERVE,
    undefined,
    () => `: it keeps ${megabytes(tcpMemory() - before)}`,
  );
}

/** Eight streams to readers that stop for 4 s. */
async function stopForAWhile(scope: Acceleration, t: TestContext): Promise<void> {
  using bed = Bed.create({ subnet: 61 });
  const [client, server] = [bed.pod('client'), bed.pod('server')];
  await using mesh = await enterMesh(bed, scope);
  await sidecars('tcp', bed.pods);
  const before = tcpMemory();
  {
    await using streams = await Stalled.start(client, server, 4);
    const ends = await streams.ended();
    assertBounded(scope, streams.perStream(t, `${scope}, 4 s`, mesh));
    assert.deepEqual(
      ends,
      Array.from({ length: CONNECTIONS }, () => ({ bytes: BYTES, wrongAt: -1 })),
    );
    assert.equal(mesh.counters().redirectedBytes > 0n, scope !== 'off');
  }
  await nothingRemains(mesh, bed.pods);
  await comesBack(before);
}

/** The same to readers that stop for ever and are killed, with neighbours that go about their business meanwhile. */
async function stopForEver(scope: Acceleration, t: TestContext): Promise<void> {
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
  let meanwhile: LoadResult;
  {
    await using streams = await Stalled.start(client, server, 3600);
    await setTimeout(2000); // until all buffers are full
    meanwhile = await requests();
    // Once, or until what else runs on this machine leaves them some time.
    for (let again = 0; again < 5 && meanwhile.qps <= 0.2 * usual.qps; again++) meanwhile = await requests();
    assertBounded(scope, streams.perStream(t, `${scope}, for ever`, mesh));

    const killed = performance.now();
    await streams.killReaders();
    const ends = await Promise.race([streams.ended(), setTimeout(60_000, 'no end within 60 s', { ref: false })]);
    t.diagnostic(
      `${scope}, for ever: the senders knew ${((performance.now() - killed) / 1000).toFixed(1)} s after the reader's end`,
    );
    assert.ok(Array.isArray(ends), ends as string);
    assert.equal(ends.length, CONNECTIONS);
    for (const end of ends) assert.ok('error' in end, JSON.stringify(end));
    await nothingRemains(mesh, [client, server]);
  }
  await comesBack(before);
  const after = await requests();
  const rate = ({ qps }: LoadResult): string => `${Math.round(qps)}/s`;
  t.diagnostic(
    `${scope}: neighbours' requests ${rate(usual)} before, ${rate(meanwhile)} meanwhile, ${rate(after)} after: ` +
      `x ${((2 * meanwhile.qps) / (usual.qps + after.qps)).toFixed(2)}`,
  );
  assert.ok(meanwhile.qps > 0.2 * Math.min(usual.qps, after.qps), 'they go on');
}

for (const scope of SCOPES) {
  test(
    `haproxy, ${scope}: ${CONNECTIONS} readers that stop for 4 s cost a bounded amount, and the streams are whole`,
    { timeout: 240_000 },
    t => stopForAWhile(scope, t),
  );

  test(
    `haproxy, ${scope}: readers that stop for ever cost a bounded amount, slow down nobody, and take their streams along when killed`,
    {
      timeout: 240_000,
    },
    t => stopForEver(scope, t),
  );
}
