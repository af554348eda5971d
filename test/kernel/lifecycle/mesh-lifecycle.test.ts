/**
 * From start to close, and to every other end that a process can come to: nothing stays behind and no connection is
 * lost.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import type { MeshAccelerator } from 'merbridge';
import { Cgroup } from 'merbridge/bpf';
import { execFileSync, spawn, spawnSync } from '../../bed/children';
import {
  Bed,
  STREAM_PORT,
  WEB_PORT,
  applyIstioRules,
  enterMesh,
  load,
  originalDestinations,
  request,
  startSidecar,
  startStreamServer,
  startWebServer,
  stream,
  type Pod,
} from '../../bed';
import { until } from '../../bed/shell';
import { held } from '../../fixtures/held';
import { HOOKS } from '../../fixtures/hooks';

const ROOT = join(__dirname, '..', '..', '..');
const delay = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds));

function attached(path: string): string[] {
  using cgroup = Cgroup.open(path);
  return HOOKS.flatMap(attachType => cgroup.programs({ attachType }).map(({ name }) => name));
}

/** Those of the ids that still exist. Other accelerators may live on this machine, so a count would say nothing. */
async function remaining(kind: 'prog' | 'map', ids: ReadonlySet<number>): Promise<number[]> {
  let left: number[] = [];
  const allGone = async (): Promise<boolean> => {
    if (left.length > 0) await delay(100);
    const all = JSON.parse(
      execFileSync('bpftool', ['-j', kind, 'list'], { encoding: 'utf8', maxBuffer: 64 << 20 }),
    ) as { id: number }[];
    left = all.map(({ id }) => id).filter(id => ids.has(id));
    return left.length === 0;
  };
  await until('the kernel frees them after a grace period', allGone).catch(() => undefined);
  return left;
}

/** An accelerator in a process of its own. Resolves when it stands. */
async function elsewhere(bed: Bed, rest: string): Promise<ChildProcess> {
  const options = { cgroup: bed.cgroupPath, acceleration: 'full', pods: bed.pods.map(pod => pod.address) };
  const child = spawn(
    process.execPath,
    [
      '-e',
      `
    require(${JSON.stringify(ROOT)}).MeshAccelerator.start(${JSON.stringify(options)}).then(mesh => { console.log('started'); ${rest} });`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  assert.equal(line, 'started');
  return child;
}

/** How a process ended that ends by itself. */
async function endOf(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  await until('its end', () => child.exitCode !== null || child.signalCode !== null);
  return { code: child.exitCode, signal: child.signalCode };
}

const TALKER = (host: string): string => `
  const socket = require('net').connect(${STREAM_PORT}, '${host}');
  socket.on('connect', () => console.log('connected'));
  socket.on('data', data => console.log(String(data)));
  socket.on('error', error => console.log(error.code));
  process.stdin.on('data', data => socket.write(String(data).trim()));`;

/** Connects to the echo server of a pod, and says words. */
async function talk(from: Pod, to: Pod): Promise<{ say: (word: string) => Promise<string>; end: () => Promise<void> }> {
  const talker = from.spawn(process.execPath, ['-e', TALKER(to.address)], {
    uid: 2000,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: talker.stdout! })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'connected');
  return {
    say: async word => {
      talker.stdin!.write(`${word}\n`);
      return ((await lines.next()) as { value: string }).value;
    },
    end: async () => {
      const ended = once(talker, 'exit');
      talker.kill();
      await ended;
    },
  };
}

test('localPodIps has what a Map has', async () => {
  using bed = Bed.create({ subnet: 71 });
  await using mesh = await enterMesh(bed, 'off');
  const { localPodIps } = mesh;
  localPodIps.clear();
  assert.equal(localPodIps.size, 0);
  localPodIps
    .set('10.9.0.1', { acceleration: 'full', rules: undefined, cgroup: undefined })
    .set('10.9.0.2', { acceleration: undefined });
  assert.equal(localPodIps.size, 2);
  const entries = new Map(localPodIps);
  assert.deepEqual([...entries.keys()].sort(), ['10.9.0.1', '10.9.0.2']);
  assert.equal(entries.get('10.9.0.2')!.acceleration, 'inherit');
  assert.deepEqual([...localPodIps.values()], [...entries.values()]);
  const seen: unknown[] = [];
  localPodIps.forEach(function (this: unknown, pod, address, pods) {
    seen.push([address, pod, pods === localPodIps, this]);
  }, 'this');
  assert.deepEqual(
    seen,
    [...entries].map(([address, pod]) => [address, pod, true, 'this']),
  );
});

test('50 times start and close leave no descriptor, no program and no map', { timeout: 240_000 }, async t => {
  using bed = Bed.create({ subnet: 71 });
  const pod = bed.pod('pod');
  const round = async (): Promise<[programs: number[], maps: number[]]> => {
    const mesh = await enterMesh(bed, 'full');
    const ids: [number[], number[]] = [held('prog_id'), held('map_id')];
    mesh.localPodIps.set(pod.address, { acceleration: 'off' });
    await mesh.close();
    return ids;
  };
  await round();
  const open = readdirSync('/proc/self/fd').length;
  const [programs, maps] = [new Set<number>(), new Set<number>()];
  const since = Date.now();
  for (let i = 0; i < 50; i++) {
    const [ofPrograms, ofMaps] = await round();
    for (const id of ofPrograms) programs.add(id);
    for (const id of ofMaps) maps.add(id);
  }
  t.diagnostic(`${(Date.now() - since) / 50} ms a round, ${programs.size} programs and ${maps.size} maps in all`);
  assert.ok(programs.size >= 50 * 8 && maps.size >= 50 * 10);
  assert.equal(readdirSync('/proc/self/fd').length, open);
  assert.deepEqual(attached(bed.cgroupPath), []);
  assert.deepEqual(await remaining('prog', programs), []);
  assert.deepEqual(await remaining('map', maps), []);
});

test('close may be called again, at the same time too, and is told once; await using calls it', async () => {
  using bed = Bed.create({ subnet: 72 });
  bed.pod('pod');
  let told = 0;
  let used: MeshAccelerator;
  {
    await using mesh = await enterMesh(bed, 'proxies');
    used = mesh;
    mesh.on('close', () => {
      told++;
    });
    assert.equal(mesh.closed, false);
    assert.notDeepEqual(attached(bed.cgroupPath), []);
  }
  assert.equal(used.closed, true);
  assert.deepEqual(attached(bed.cgroupPath), []);
  await used.close();
  await Promise.all([used.close(), used.close()]);
  assert.equal(told, 1);

  await using again = await enterMesh(bed, 'off');
  const first = again.close();
  assert.equal(again.closed, true, 'at once');
  await again.close();
  assert.deepEqual(attached(bed.cgroupPath), [], 'the second call waits for what the first one does');
  await first;
});

test('an accelerator keeps its process alive until it is closed; unref lets it end', async () => {
  using bed = Bed.create({ subnet: 73 });
  bed.pod('pod');
  const kept = await elsewhere(bed, "process.once('SIGTERM', () => mesh.close());");
  await delay(500);
  assert.equal(kept.exitCode, null, 'nothing but the accelerator holds it');
  kept.kill('SIGTERM');
  assert.equal((await endOf(kept)).code, 0);

  for (const rest of [
    'mesh.unref();',
    'mesh.unref().ref().unref();',
    'process.exit();',
    'mesh.close();',
    'mesh.close(); process.exit();',
  ]) {
    assert.deepEqual(await endOf(await elsewhere(bed, rest)), { code: 0, signal: null }, rest);
    assert.deepEqual(attached(bed.cgroupPath), [], rest);
  }
});

test(
  'after SIGKILL nothing is attached, accelerated connections go on, and new ones keep their path',
  { timeout: 240_000 },
  async () => {
    using bed = Bed.create({ subnet: 74 });
    const [client, server] = [bed.pod('client'), bed.pod('server')];
    const owner = await elsewhere(bed, '');
    await startStreamServer(server, { mode: 'echo' });
    const sidecars = await Promise.all(
      [client, server].map(pod => startSidecar(pod, { kind: 'haproxy', mode: 'tcp', log: false })),
    );
    const { say, end } = await talk(client, server);
    for (const word of ['one', 'two']) assert.equal(await say(word), word);
    // Redirected bytes are not in TCP_INFO: this tells which way a word went.
    const bytesThroughStack = (): number =>
      [...client.admin('ss', ['-tinH', 'state', 'established']).matchAll(/bytes_sent:(\d+)/g)].reduce(
        (sum, [, bytes]) => sum + Number(bytes),
        0,
      );
    const before = bytesThroughStack();
    assert.equal(await say('accelerated'), 'accelerated');
    assert.equal(bytesThroughStack(), before);

    owner.kill('SIGKILL');
    assert.equal((await endOf(owner)).signal, 'SIGKILL');
    assert.deepEqual(attached(bed.cgroupPath), []);
    for (const word of ['three', 'four', 'x'.repeat(5000)]) assert.equal(await say(word), word);
    assert.ok(
      bytesThroughStack() > before + 5000,
      'the sockets went back to the stack by themselves: nobody guards them any more',
    );
    await delay(300);
    assert.equal(await say('five'), 'five');
    await end();

    await Promise.all(sidecars.map(sidecar => sidecar.stop()));
    const { outcome, remote } = await stream(client, 'peer', {
      host: server.address,
      port: STREAM_PORT,
      send: 'straight',
    });
    assert.deepEqual(
      { outcome, remote },
      { outcome: 'ok', remote: `${server.address}:${STREAM_PORT}` },
      'without any sidecar',
    );

    await using next = await enterMesh(bed, 'full'); // and another one may come
    await next.close();
  },
);

test('coming and going under load loses no established connection', { timeout: 240_000 }, async t => {
  using bed = Bed.create({ subnet: 75 });
  const [client, server] = [bed.pod('client'), bed.pod('server')];
  await startWebServer(server);
  await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'haproxy', log: false })));
  let mesh = await enterMesh(bed, 'full');
  await using _ = { [Symbol.asyncDispose]: () => mesh.close() };
  let [rounds, requests] = [0, 0];
  // Once, or more often on a machine where a start takes seconds.
  for (let loads = 0; loads < 10 && (rounds < 3 || requests <= 300); loads++) {
    const running = load(client, { url: `http://${server.address}:${WEB_PORT}/`, connections: 16, seconds: 6 });
    let done = false;
    void running
      .finally(() => {
        done = true;
      })
      .catch(() => undefined);
    while (!done) {
      await delay(150);
      await mesh.close();
      await delay(50);
      mesh = await enterMesh(bed, rounds++ % 2 === 0 ? 'proxies' : 'full');
    }
    const { errors, socketErrors, requests: answered } = await running;
    requests += answered;
    assert.equal(errors, 0, JSON.stringify(socketErrors));
  }
  await mesh.close();
  t.diagnostic(`${rounds} times under ${requests} requests`);
  assert.ok(rounds >= 3 && requests > 300, `${rounds} rounds, ${requests} requests`);
});

test(
  "beside Istio's rules in iptables: the same answers, and after close they take over without a failed request",
  { timeout: 240_000 },
  async t => {
    using bed = Bed.create({ subnet: 76 });
    const [client, server] = [bed.pod('client'), bed.pod('server')];
    for (const pod of [client, server]) applyIstioRules(pod);
    await startWebServer(server);
    await using mesh = await enterMesh(bed, 'full');
    const sidecars = await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'haproxy' })));
    const url = `http://${server.address}:${WEB_PORT}/`;
    const destination = `${server.address}:${WEB_PORT}`;
    let failed = 0;
    let count = 0;
    let closing: Promise<void> | undefined;
    for (; count < 60; count++) {
      if (count === 30) {
        const { outbound, inbound, hookErrors, redirectedMessages } = mesh.counters();
        assert.equal(outbound, 30n);
        assert.ok(inbound >= 1n && redirectedMessages > 0n, 'the library was the one that did it');
        assert.equal(hookErrors, 0n);
        closing = mesh.close(); // not waited for: requests go on while it closes
      }
      const { ok, error } = await request(client, url);
      if (!ok) {
        failed++;
        t.diagnostic(`request ${count}: ${error}`);
      }
    }
    await closing;
    assert.equal(failed, 0);
    assert.deepEqual(attached(bed.cgroupPath), []);
    for (const sidecar of sidecars) {
      await sidecar.logged(60);
      assert.deepEqual(new Set(originalDestinations(sidecar)), new Set([destination]), sidecar.pod.name);
    }
  },
);

test('a process that ends while it starts leaves nothing', () => {
  using bed = Bed.create({ subnet: 77 });
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      '-e',
      `
    void require(${JSON.stringify(ROOT)}).MeshAccelerator.start({ cgroup: ${JSON.stringify(bed.cgroupPath)} });
    process.exit(0);`,
    ],
    { encoding: 'utf8', timeout: 120_000 },
  );
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  assert.deepEqual(attached(bed.cgroupPath), []);
});

test('of two processes that start at the same time one at most is attached', { timeout: 240_000 }, async t => {
  using bed = Bed.create({ subnet: 78 });
  // It may be that each sees the other one and gives way. But that is no way to start none ever.
  for (let round = 0, won = 0; won < 3; round++) {
    assert.ok(round < 20, `${won} of 20 rounds had a winner`);
    const children = [1, 2].map(() =>
      spawn(
        process.execPath,
        [
          '-e',
          `
      require(${JSON.stringify(ROOT)}).MeshAccelerator.start({ cgroup: ${JSON.stringify(bed.cgroupPath)} })
        .then(() => console.log('started'), ({ code }) => console.log(code));`,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      ),
    );
    const answers = await Promise.all(
      children.map(async ({ stdout }) => ((await once(createInterface({ input: stdout }), 'line')) as [string])[0]),
    );
    const started = answers.filter(answer => answer === 'started').length;
    t.diagnostic(answers.join(', '));
    assert.ok(answers.every(answer => answer === 'started' || answer === 'ERR_BPF_ALREADY_ATTACHED'));
    assert.ok(started <= 1, `${started} started`);
    won += started;
    assert.equal(attached(bed.cgroupPath).filter(name => name === 'mb_connect4').length, started);
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(children.map(endOf));
  }
});
