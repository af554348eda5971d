/**
 * Who has nothing to do with the mesh notices nothing of it: other pods, other protocols, other options, other owners
 * of programs.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { BpfPerCpuArrayMap, Cgroup, OpenBpfObject, u32 } from 'merbridge/bpf';
import {
  Bed,
  SIDECAR_UID,
  STREAM_PORT,
  dial,
  enterMesh,
  startListener,
  startService,
  startSidecar,
  startStreamServer,
  type Dialled,
  type Pod,
} from '../../bed';
import { until } from '../../bed/shell';
import { compile } from '../../fixtures/support';

const app = (name: string): string => join(__dirname, '..', '..', 'bed', 'apps', name);
const reached = ({ answer, error }: Dialled | undefined = {}): number | string | undefined => error ?? answer?.port;

/** Listeners where a redirected connection would end, and where it should. */
async function listen(pod: Pod, host?: string): Promise<void> {
  await startListener(pod, [15001, 15006], SIDECAR_UID, host);
  await startListener(pod, [8080], 2000, host);
}

async function python(pod: Pod, name: string, args: readonly string[], uid = 2000, gid = uid): Promise<any> {
  const { code, stdout, stderr } = await pod.run('python3', [app(name), ...args], { uid, gid });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

test('a pod that is not enrolled, processes outside the cgroup, IPv6 and UDP keep their path', async () => {
  using bed = Bed.create({ subnet: 61 });
  const [own, other] = [bed.pod('own'), bed.pod('other')];
  await using mesh = await enterMesh(bed, 'full');
  const stranger = bed.pod('stranger');
  for (const pod of [own, other, stranger]) await listen(pod, '::');
  await startService(other, {
    name: 'udp',
    command: 'python3',
    args: [app('ways.py'), 'udp-echo', '5300'],
    uid: 2000,
    ports: [5300],
  });

  const destinations = [`${other.address}:8080`, `[::ffff:${other.address}]:8080`, `${stranger.address}:8080`];
  for (const uid of [2000, SIDECAR_UID, 0]) {
    for (const [index, result] of (await dial(stranger, destinations, { uid })).entries()) {
      assert.equal(reached(result), 8080, `stranger, ${uid}, ${destinations[index]}`);
      assert.equal(result.answer?.client.replace(/:\d+$/, ''), stranger.address);
    }
  }
  const outside = JSON.parse(own.admin('python3', [app('dial.py'), `${other.address}:8080`])) as Dialled;
  assert.equal(reached(outside), 8080, 'outside the cgroup');
  const [six] = await dial(own, [`[${other.address6}]:8080`]);
  assert.equal(reached(six), 8080, 'IPv6');
  assert.equal(six?.peer, `${other.address6}:8080`);
  for (const host of [other.address, `[${other.address6}]`, `[::ffff:${other.address}]`]) {
    const { answer, peer } = await python(own, 'ways.py', ['udp', `${host}:5300`]);
    assert.equal(answer, 'hello from an unusual socket', `UDP to ${host}`);
    assert.equal(peer, `${host.replace(/[[\]]/g, '')}:5300`);
  }
  assert.equal(mesh.counters().outbound + mesh.counters().inbound, 0n);
  assert.equal(reached((await dial(own, [`${other.address}:8080`]))[0]), 15001, 'and who is enrolled is redirected');
});

test('socket options of others keep their length, value and error, whatever the buffer', async () => {
  using bed = Bed.create({ subnet: 62 });
  const pod = bed.pod('pod');
  const ask = (): Promise<Record<string, [result: string | number, length: number, value: string]>> =>
    python(pod, 'sockopts.py', [], 0);
  const without = await ask();
  await using _ = await enterMesh(bed, 'full');
  const within = await ask();
  assert.equal(without['peergroups/10000']?.[1], 10_000, 'more than a page was answered');
  assert.equal(without['peergroups/10000'][0], 0);
  assert.deepEqual(within, without);
});

test('programs of another owner, attached before and after, run too', async () => {
  using bed = Bed.create({ subnet: 63 });
  const [own, other] = [bed.pod('own'), bed.pod('other')];
  for (const pod of [own, other]) await listen(pod);
  using before = OpenBpfObject.openFile(compile('plain')).load();
  using after = OpenBpfObject.openFile(compile('plain')).load();
  using cgroup = Cgroup.open(bed.cgroupPath);
  const ran = (object: typeof before): number =>
    (BpfPerCpuArrayMap.from(object.map('counters'), { value: u32 }).get(0) ?? []).reduce((sum, n) => sum + n, 0);
  using _first = cgroup.attach(before.program('redirect'));
  using _sockets = cgroup.attach(before.program('count_sockets'));
  await using mesh = await enterMesh(bed, 'full');
  using _last = cgroup.attach(after.program('redirect'));
  const names = (): string[] => cgroup.programs({ attachType: 'cgroup/connect4' }).map(({ name }) => name);
  assert.deepEqual(names(), ['redirect', 'mb_connect4', 'redirect']);
  for (const result of await dial(own, Array<string>(5).fill(`${other.address}:8080`)))
    assert.equal(reached(result), 15001);
  assert.deepEqual([ran(before), ran(after)], [5, 5]);
  await mesh.close();
  assert.deepEqual(names(), ['redirect', 'redirect'], 'close takes out its own');
  assert.equal(reached((await dial(own, [`${other.address}:8080`]))[0]), 8080);
  assert.deepEqual([ran(before), ran(after)], [6, 6]);
});

for (const destination of ['127.0.0.1', '127.9.9.9']) {
  test(`the same loopback quadruple in two pods at the same time, to ${destination}: each has its own bytes`, async () => {
    using bed = Bed.create({ subnet: 64 });
    const pods = [bed.pod('one'), bed.pod('two')];
    await using mesh = await enterMesh(bed, 'full');
    for (const pod of pods)
      await startService(pod, {
        name: 'loopback',
        command: 'python3',
        args: [app('loopback.py'), 'server', '9200', pod.name],
        uid: 2000,
        ports: [9200],
      });
    const talks = Promise.all(
      pods.map(pod => python(pod, 'loopback.py', ['client', destination, '9200', '40001', pod.name], SIDECAR_UID)),
    );
    const entries = await until('both connections are accelerated', () => {
      const now = [...mesh.sockPairMap];
      return now.length === 4 && now;
    });
    const results = await talks;
    for (const { foreign, count, quadruple } of results) {
      assert.equal(foreign, null);
      assert.ok(count > 50, `${count} lines`);
      assert.deepEqual(quadruple, [
        ['127.0.0.6', 40001],
        [destination, 9200],
      ]);
    }
    assert.equal(new Set(entries.map(([{ netns }]) => netns)).size, 2, 'and told apart by their namespace');
    assert.ok(mesh.counters().redirectedMessages > 100n);
  });
}

test('a process id that was learned for one pod means nothing in another namespace', async () => {
  using bed = Bed.create({ subnet: 65 });
  const [own, other] = [bed.pod('own'), bed.pod('other')];
  await using mesh = await enterMesh(bed, 'full');
  const stranger = bed.pod('stranger');
  await startListener(other, [15006], SIDECAR_UID);
  await startListener(other, [8080], 2000);
  // Sidecar by its group; root, because it changes its namespace.
  const child = own.spawn(
    'python3',
    [app('wanderer.py'), '15006', stranger.netnsPath, 'python3', app('dial.py'), `${other.address}:8080`],
    {
      uid: 0,
      gid: SIDECAR_UID,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let stdout = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const ended = once(child, 'close');
  for (let attempt = 0; attempt < 40 && mesh.processIp.get(child.pid!) === undefined; attempt++)
    await dial(other, [`${own.address}:8080`], { uid: SIDECAR_UID });
  const entry = mesh.processIp.get(child.pid!);
  assert.equal(entry?.pod, own.address, 'it was learned');
  await ended;
  assert.equal(reached(JSON.parse(stdout) as Dialled), 8080, 'left alone, as the pod it is in now');
});

test('unusual ways to connect', { timeout: 240_000 }, async t => {
  using bed = Bed.create({ subnet: 66 });
  const [client, server, bare] = [bed.pod('client'), bed.pod('server'), bed.pod('bare')];
  await using mesh = await enterMesh(bed, 'full');
  await startStreamServer(server, { mode: 'echo' });
  await startStreamServer(bare, { mode: 'echo' });
  await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'haproxy', mode: 'tcp', log: false })));
  const target = `${server.address}:${STREAM_PORT}`;
  const hello = 'hello from an unusual socket';

  await t.test('again after a refused connect that was left alone', async () => {
    const before = mesh.counters().outbound;
    const { first, answer, peer, local } = await python(client, 'ways.py', ['again', '127.0.0.1:1', target]);
    assert.deepEqual({ first, answer, peer }, { first: 'ECONNREFUSED', answer: hello, peer: target });
    assert.equal(local, client.address);
    assert.equal(mesh.counters().outbound - before, 1n);
  });
  await t.test('again after a refused connect that was redirected', async () => {
    // There is no sidecar in this pod; the second connect is to its own loopback and is left alone.
    const { first, answer, peer, local } = await python(bare, 'ways.py', ['again', target, `127.0.0.1:${STREAM_PORT}`]);
    assert.deepEqual(
      { first, answer, peer },
      { first: 'ECONNREFUSED', answer: hello, peer: `127.0.0.1:${STREAM_PORT}` },
    );
    t.diagnostic(`local address of the second connect: ${local}`);
  });
  await t.test('non-blocking', async () => {
    const { first, error, answer, peer } = await python(client, 'ways.py', ['nonblocking', target]);
    assert.deepEqual({ first, error, answer, peer }, { first: 'EINPROGRESS', error: 0, answer: hello, peer: target });
  });
  for (const way of ['fastopen', 'mptcp']) {
    await t.test(way, async () => {
      const before = mesh.counters().outbound;
      for (let round = 0; round < 3; round++) {
        const { unavailable, answer, peer } = await python(client, 'ways.py', [way, target]);
        if (unavailable !== undefined) {
          t.diagnostic(`${way}: ${unavailable} here`);
          return;
        }
        assert.equal(answer, hello);
        // An MPTCP socket is not the subflow that was redirected, so its getpeername is the kernel's own answer.
        if (way !== 'mptcp') assert.equal(peer, target);
      }
      t.diagnostic(`${way}: ${mesh.counters().outbound - before} of 3 redirected`);
    });
  }
  assert.equal(mesh.counters().hookErrors, 0n);
});
