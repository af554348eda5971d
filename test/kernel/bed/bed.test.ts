// Alone: a sweep of another file would take what it leaves for its own.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { TYPESCRIPT, spawn, spawnSync } from '../../bed/children';
import { until } from '../../bed/shell';
import {
  Bed,
  type SidecarKind,
  applyIstioRules,
  firstRequest,
  hasEnvoy,
  interleave,
  load,
  removeIstioRules,
  startSidecar,
  startStreamServer,
  startWebServer,
  stream,
} from '../../bed';

const skip = process.getuid?.() === 0 ? false : 'needs root';

for (const kind of ['haproxy', 'envoy'] as const) {
  const skipKind = skip || (kind === 'envoy' && !hasEnvoy() ? 'no Envoy: scripts/setup.sh --envoy' : false);

  test(`${kind}: a request passes both sidecars under Istio's iptables rules`, { skip: skipKind }, async () => {
    const bed = Bed.create();
    try {
      const { client, server, outbound, inbound } = await mesh(bed, kind);
      const url = `http://${server.address}:8080/`;

      const first = await firstRequest(client, url);
      assert.equal(first.status, 200, first.error);
      assert.equal(first.peer, `${server.address}:8080`);

      for (const [sidecar, side] of [
        [outbound, 'outbound'],
        [inbound, 'inbound'],
      ] as const) {
        const log = await sidecar.logged(1);
        assert.equal(log.length, 1, 'exactly one request');
        assert.equal(log[0]?.side, side);
        assert.equal(log[0]?.destination, `${server.address}:8080`, `${side} sees the original destination`);
        assert.equal(log[0]?.status, 200);
        assert.equal(log[0]?.client.split(':')[0], client.address);
      }

      const result = await load(client, { url, connections: 16, seconds: 2 });
      assert.equal(result.errors, 0, JSON.stringify(result));
      assert.ok(result.qps > 100, `${result.qps} requests per second`);
      assert.ok(result.p50 > 0 && result.p50 <= result.p99);
    } finally {
      bed.close();
    }
    assert.deepEqual(bed.leftovers(), []);
  });

  test(`${kind}: streams arrive whole`, { skip: skipKind }, async () => {
    using bed = Bed.create();
    const { client, server, outbound } = await mesh(bed, kind, 'tcp');
    await startStreamServer(server);
    const sent = await stream(client, 'sender', { host: server.address, bytes: 20_000_000 });
    assert.equal(sent.outcome, 'ok');
    assert.equal(sent.server?.bytes, 20_000_000);
    assert.equal(sent.server?.wrongAt, -1);
    const burst = await stream(client, 'burst', { host: server.address, connections: 200 });
    assert.deepEqual(burst.outcomes, { ok: 200 });
    assert.equal((await outbound.logged(201)).length, 201);
  });
}

test(
  'an IPv4 destination on an IPv6 socket and IPv6 itself pass a dual-stack Envoy',
  { skip: skip || (hasEnvoy() ? false : 'no Envoy') },
  async () => {
    using bed = Bed.create();
    const [client, server] = [bed.pod('a'), bed.pod('b')];
    await startStreamServer(server, { listen: '::', mode: 'echo' });
    for (const pod of [client, server]) applyIstioRules(pod, { dualStack: true });
    const outbound = await startSidecar(client, { kind: 'envoy', mode: 'tcp', listen: '::' });
    const inbound = await startSidecar(server, { kind: 'envoy', mode: 'tcp', listen: '::' });
    for (const host of [server.address, `::ffff:${server.address}`, server.address6]) {
      const seen = await stream(client, 'peer', { host, port: 9000, send: 'hello' });
      assert.equal(seen.outcome, 'ok', host);
      assert.equal(seen.answer, 'hello');
      assert.equal(seen.remote, `${host}:9000`);
    }
    for (const sidecar of [outbound, inbound]) {
      assert.deepEqual(
        (await sidecar.logged(3)).map(each => each.destination),
        [`${server.address}:9000`, `${server.address}:9000`, `[${server.address6}]:9000`],
      );
    }
  },
);

test('rules go without a trace, and only ours', { skip }, () => {
  using bed = Bed.create();
  const pod = bed.pod('a');
  pod.admin('iptables', ['-t', 'nat', '-A', 'OUTPUT', '-d', '192.0.2.1', '-j', 'RETURN']);
  const before = rulesOf(pod);
  applyIstioRules(pod);
  applyIstioRules(pod);
  assert.equal(rulesOf(pod).filter(line => line === '-A OUTPUT -j ISTIO_OUTPUT').length, 1);
  removeIstioRules(pod);
  assert.deepEqual(rulesOf(pod), before);
});

test('include and exclude lists decide as in Istio', { skip }, async () => {
  using bed = Bed.create();
  const { client, server, outbound } = await mesh(bed, 'haproxy');
  await startWebServer(server, { port: 8081 });
  const url = (port: number): string => `http://${server.address}:${port}/`;
  applyIstioRules(client, { excludeOutboundPorts: [8081] });
  assert.ok((await firstRequest(client, url(8081))).ok);
  applyIstioRules(client, { includeOutboundRanges: ['192.0.2.0/24'], includeOutboundPorts: [8080] });
  assert.ok((await firstRequest(client, url(8081))).ok);
  assert.ok((await firstRequest(client, url(8080))).ok);
  const destinations = (await outbound.logged(1)).map(each => each.destination);
  assert.deepEqual(destinations, [`${server.address}:8080`], 'the others took the direct way');
});

test('a process is in its pod from the first instruction, as the user asked for', { skip }, async () => {
  using bed = Bed.create();
  const pod = bed.pod('a');
  const seen = await pod.run('sh', ['-c', 'cat /proc/self/cgroup; id -u; id -g; ip -4 -o addr show eth0'], {
    uid: 1337,
  });
  assert.ok(seen.stdout.includes(`0::/merbridge-${bed.id}/a\n1337\n1337\n`), seen.stdout);
  assert.ok(seen.stdout.includes(pod.address));
});

test('the host sees nothing of it', { skip }, () => {
  const look = (): string[] =>
    [['-o', 'link'], ['route', 'show', 'table', 'all'], ['-6', 'route', 'show', 'table', 'all'], ['rule']].map(
      args => spawnSync('ip', args, { encoding: 'utf8' }).stdout,
    );
  const before = look();
  using bed = Bed.create();
  applyIstioRules(bed.pod('a'), { dualStack: true });
  assert.deepEqual(look(), before);
});

test('pins of a run leave with it', { skip: skip || (bpffs() ? false : 'bpffs is not mounted') }, () => {
  const bed = Bed.create();
  mkdirSync(join(bed.pinPath, 'maps'), { recursive: true });
  mkdirSync(`${bed.pinPath}-other`);
  assert.equal(bed.leftovers().filter(what => what.startsWith('pins')).length, 2);
  bed.close();
  assert.deepEqual(bed.leftovers(), []);
});

test('rounds compare neighbours, in turning order', async () => {
  const order: string[] = [];
  const mode =
    (name: string, factor: number) =>
    (round: number): Promise<number> => {
      order.push(name);
      return Promise.resolve(factor * (round + 1)); // the machine gets faster all the time
    };
  const seen = await interleave({ plain: mode('p', 10), fast: mode('f', 15) }, 'plain', 3);
  assert.equal(order.join(''), 'pffppf');
  assert.deepEqual(seen.ratios.fast, { values: [1.5, 1.5, 1.5], median: 1.5, min: 1.5, max: 1.5 });
  assert.equal(seen.modes.plain.median, 20);
});

test('a sidecar that does not start says why', { skip }, async () => {
  using bed = Bed.create();
  const pod = bed.pod('a');
  await startStreamServer(pod, { port: 15001 });
  await assert.rejects(startSidecar(pod, { kind: 'haproxy' }), /ended at once[^]*Address already in use[^]*15001/);
});

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`${signal} to the owner leaves nothing${signal === 'SIGKILL' ? ' after a sweep' : ''}`, { skip }, async () => {
    using neighbour = Bed.create();
    const id = await doomedRun(signal);
    if (signal === 'SIGKILL') {
      assert.ok(existsSync(`/run/netns/mb-${id}-a`), 'it left something');
      // What it started is killed at the same moment, and ends a little later.
      const events = join(neighbour.cgroupPath.replace(neighbour.id, id), 'cgroup.events');
      await until('the processes of the killed run have ended', () =>
        readFileSync(events, 'utf8').includes('populated 0'),
      );
      const swept = Bed.sweep();
      assert.ok(
        swept.some(what => what.includes(`merbridge-${id} with 0 processes`)),
        swept.join('\n'),
      ); // they ended with it
      assert.ok(swept.some(what => what.includes(`mb-${id}-a`)));
    }
    for (const path of [
      neighbour.cgroupPath.replace(neighbour.id, id),
      `/run/netns/mb-${id}-a`,
      `/run/merbridge-bed-${id}`,
    ]) {
      assert.ok(!existsSync(path), path);
    }
    assert.ok(existsSync(neighbour.cgroupPath), 'a living run is not touched');
    assert.ok(!readFileSync('/proc/self/mounts', 'utf8').includes(`mb-${id}`));
  });
}

async function mesh(bed: Bed, kind: SidecarKind, mode: 'http' | 'tcp' = 'http') {
  const [client, server] = [bed.pod('a'), bed.pod('b')];
  if (mode === 'http') await startWebServer(server);
  for (const pod of [client, server]) applyIstioRules(pod);
  const outbound = await startSidecar(client, { kind, mode });
  const inbound = await startSidecar(server, { kind, mode });
  return { client, server, outbound, inbound };
}

function bpffs(): boolean {
  return readFileSync('/proc/mounts', 'utf8').includes(' /sys/fs/bpf bpf ');
}

function rulesOf(pod: ReturnType<Bed['pod']>): string[] {
  return pod
    .admin('iptables-save', ['-t', 'nat'])
    .split('\n')
    .filter(line => line.startsWith('-A'));
}

/** Another process with a bed of its own and a program in it, which gets the signal once both stand. */
async function doomedRun(signal: NodeJS.Signals): Promise<string> {
  const program = `
    const { Bed } = require(${JSON.stringify(resolve(__dirname, '../../bed'))});
    const bed = Bed.create();
    bed.pod('a').spawn('sleep', ['1000'], { stdio: 'ignore' }).once('spawn', () => setTimeout(() => console.log(bed.id), 100));
  `;
  const child = spawn(process.execPath, [...TYPESCRIPT, '-e', program], {
    cwd: resolve(__dirname, '../../..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const id = await new Promise<string>((done, fail) => {
    child.stdout.once('data', text => done(String(text).trim()));
    child.once('exit', code => fail(new Error(`the doomed run ended by itself (${code})`)));
  });
  child.kill(signal);
  await new Promise(done => child.once('exit', done));
  return id;
}
