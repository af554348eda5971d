/**
 * What the mesh tells: each kind with what is in it, bounded, nothing hidden that was left out, and nothing at all
 * while it is off.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  MeshAccelerator,
  type ConnectionEvent,
  type DroppedEvent,
  type MapPressureEvent,
  type MeshAcceleratorOptions,
  type PodRules,
} from 'merbridge';
import { Bed, SIDECAR_UID, dial, startListener, type Pod } from '../../bed';

const SIDECAR = { uid: SIDECAR_UID };

let bed: Bed;
let own: Pod;
let other: Pod;
before(async () => {
  bed = Bed.create({ subnet: 64 });
  [own, other] = [bed.pod('own'), bed.pod('other')];
  for (const pod of [own, other]) {
    await startListener(pod, [15001, 15006], SIDECAR_UID);
    await startListener(pod, [8080], 2000);
  }
});
after(() => {
  bed?.close();
});

function start(options: Partial<MeshAcceleratorOptions> = {}): Promise<MeshAccelerator> {
  return MeshAccelerator.start({
    cgroup: bed.cgroupPath,
    acceleration: 'full',
    pods: [own.address, other.address],
    ...options,
  });
}

async function until(condition: () => boolean, what: () => string): Promise<void> {
  for (const end = Date.now() + 60_000; !condition();) {
    assert.ok(Date.now() < end, `never: ${what()}`);
    await sleep(10);
  }
}

/** All events of an accelerator, by kind. */
function listen(mesh: MeshAccelerator): {
  connections: ConnectionEvent[];
  selfCalls: ConnectionEvent[];
  drops: DroppedEvent[];
  pressures: MapPressureEvent[];
} {
  const heard = {
    connections: [] as ConnectionEvent[],
    selfCalls: [] as ConnectionEvent[],
    drops: [] as DroppedEvent[],
    pressures: [] as MapPressureEvent[],
  };
  mesh.on('connection', event => heard.connections.push(event));
  mesh.on('selfCall', event => heard.selfCalls.push(event));
  mesh.on('dropped', event => heard.drops.push(event));
  mesh.on('mapPressure', event => heard.pressures.push(event));
  return heard;
}

/** Dials many times, without an answer, and holds what was connected until it is told to end. */
async function hold(pod: Pod, host: string, port: number, count: number): Promise<() => Promise<void>> {
  const code = `
import socket, sys
held = [socket.create_connection((sys.argv[1], int(sys.argv[2]))) for _ in range(int(sys.argv[3]))]
print('held', flush=True)
sys.stdin.read()`;
  const child = pod.spawn('python3', ['-c', code, host, `${port}`, `${count}`], {
    uid: 2000,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return async () => {
    const ended = once(child, 'exit');
    child.stdin!.end();
    await ended;
  };
}

/** A sidecar's outbound port that never closes what it accepted. */
async function startHolder(pod: Pod, port: number): Promise<() => Promise<void>> {
  const code = `
import socket, sys
server = socket.create_server(('0.0.0.0', int(sys.argv[1])), backlog=1024)
print('listens', flush=True)
held = []
while True: held.append(server.accept()[0])`;
  const child = pod.spawn('python3', ['-c', code, `${port}`], {
    uid: SIDECAR_UID,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
}

test('a connection of each hop, with what both ends see of it', async () => {
  await using mesh = await start({ events: true });
  const heard = listen(mesh);
  const clock = process.hrtime.bigint();
  await dial(own, [`${other.address}:8080`]);
  await dial(own, [`${other.address}:8080`, `127.0.0.6=${own.address}:8080`, `${own.address}:8080`], SIDECAR);
  await until(
    () => heard.connections.length === 3 && heard.selfCalls.length === 1,
    () => JSON.stringify(heard.connections.length),
  );

  const [outbound, inbound, delivery] = heard.connections as [ConnectionEvent, ConnectionEvent, ConnectionEvent];
  const { time, cookie, netns, pid, target, ...rest } = outbound;
  assert.deepEqual(rest, {
    pod: own.address,
    hop: 'outbound',
    verdict: 'redirected',
    destination: { address: other.address, port: 8080 },
    client: own.address,
    missed: 0,
  });
  assert.match(target.address, /^127\.(12[89]|1[3-9]\d|2\d\d)\./);
  assert.equal(target.port, 15001);
  assert.ok(time >= clock && time <= process.hrtime.bigint());
  assert.ok(cookie > 0n && netns > 0n && pid > 0);

  assert.equal(inbound.hop, 'inbound');
  assert.equal(inbound.verdict, 'redirected');
  assert.deepEqual(inbound.target, { address: other.address, port: 15006 });
  assert.deepEqual(inbound.destination, { address: other.address, port: 8080 });
  assert.equal(inbound.client, own.address);
  assert.equal(inbound.netns, netns);
  assert.notEqual(inbound.cookie, cookie);

  assert.equal(delivery.hop, 'delivery');
  assert.equal(delivery.verdict, 'leftAlone');
  assert.deepEqual(delivery.target, { address: own.address, port: 8080 });
  assert.equal(delivery.client, '127.0.0.6');

  const [self] = heard.selfCalls;
  assert.equal(self!.hop, 'inbound');
  assert.deepEqual(
    [self!.pod, self!.destination, self!.target],
    [own.address, { address: own.address, port: 8080 }, { address: '127.0.0.1', port: 15006 }],
  );
  assert.deepEqual(heard.drops, []);
  assert.equal(mesh.counters().events, 4n);
});

test('what was refused: a sidecar that dials itself, and one that is asked by nobody knows whom', async () => {
  await using mesh = await start({ events: { dropped: true, connection: false } });
  const heard = listen(mesh);
  const [looped] = await dial(own, [`127.0.0.6=${own.address}:15006`], SIDECAR);
  assert.match(looped!.error!, /not permitted/);
  await until(
    () => heard.drops.length === 1,
    () => 'the loop',
  );
  const { reason, hop, pod, destination, error, pid } = heard.drops[0]!;
  assert.deepEqual(
    { reason, hop, pod, destination, error },
    {
      reason: 'loop',
      hop: 'loop',
      pod: own.address,
      destination: { address: own.address, port: 15006 },
      error: undefined,
    },
  );
  assert.ok(pid > 0);
  // From outside of the mesh's sight straight to the inbound port: an enrolled pod's address, but no entry.
  own.admin('python3', ['-c', `import socket; s=socket.create_connection(('${other.address}', 15006)); s.recv(100)`]);
  await until(
    () => heard.drops.length === 2,
    () => 'the unknown original destination',
  );
  const unknown = heard.drops[1]!;
  assert.deepEqual(
    [unknown.reason, unknown.hop, unknown.pod, unknown.client, unknown.destination],
    ['unknownOriginalDestination', 'inbound', other.address, own.address, undefined],
  );
  assert.deepEqual(unknown.target, { address: other.address, port: 15006 });
  assert.deepEqual(heard.connections, [], 'only what was asked for');
});

test('off by default; listeners start nothing; on and off at any time', async () => {
  await using mesh = await start();
  const heard = listen(mesh);
  assert.deepEqual({ ...mesh.events }, { connection: 0, selfCall: 0, dropped: 0, mapPressure: 0 });
  await dial(own, [`${other.address}:8080`]);
  assert.equal(mesh.counters().events, 0n);
  mesh.events = { perSecond: 7, selfCall: false };
  assert.deepEqual({ ...mesh.events }, { connection: 7, selfCall: 0, dropped: 7, mapPressure: 7 });
  await dial(own, [`${other.address}:8080`]);
  await until(
    () => heard.connections.length === 1,
    () => 'on',
  );
  mesh.events = false;
  await dial(own, [`${other.address}:8080`]);
  assert.equal(mesh.counters().events, 1n);
  for (const bad of [{ perSecond: 0 }, { connection: -1 }, { dropped: 1.5 }])
    assert.throws(() => {
      mesh.events = bad;
    }, RangeError);
  for (const bad of [{ connections: true }, 'all', null, { selfCall: 'yes' }])
    assert.throws(() => {
      mesh.events = bad as never;
    }, TypeError);
  await assert.rejects(start({ events: { every: true } as never }), TypeError);
  await mesh.close();
  assert.throws(
    () => {
      mesh.events = true;
    },
    { code: 'ERR_BPF_CLOSED' },
  );
});

test('no more than allowed in a second; what was left out is counted, and told with the next one', async () => {
  await using mesh = await start({ events: { perSecond: 5 } });
  const heard = listen(mesh);
  const release = await hold(own, '127.0.0.1', 8080, 300);
  await release();
  await sleep(1100);
  await dial(own, ['127.0.0.1:8080']);
  const { events, eventsLimited } = mesh.counters();
  assert.equal(events + eventsLimited, 301n);
  await until(
    () => heard.connections.length === Number(events),
    () => 'all that were sent',
  );
  const seconds = new Map<bigint, number>();
  for (const { time } of heard.connections)
    seconds.set(time / 1_000_000_000n, (seconds.get(time / 1_000_000_000n) ?? 0) + 1);
  assert.ok(
    [...seconds.values()].every(n => n <= 5),
    JSON.stringify([...seconds.values()]),
  );
  assert.equal(
    heard.connections.reduce((sum, { missed }) => sum + 1 + missed, 0),
    301,
  );
});

test('a process that is busy meanwhile: the ring fills, and every event was heard or is counted', async () => {
  await using mesh = await start({ events: { perSecond: 1_000_000 } });
  const heard = listen(mesh);
  const dialling = own.run(
    'python3',
    [
      '-c',
      `
import socket
for _ in range(3000):
  with socket.create_connection(('127.0.0.1', 8080)): pass`,
    ],
    { uid: 2000 },
  );
  await until(
    () => heard.connections.length > 0,
    () => 'the first one',
  );
  for (const end = Date.now() + 60_000; ;) {
    // the event loop does not turn
    const { events, eventsLost } = mesh.counters();
    if (eventsLost > 0n || events >= 3000n) break;
    assert.ok(Date.now() < end);
  }
  assert.equal((await dialling).code, 0);
  await dial(own, ['127.0.0.1:8080']);
  const total = mesh.counters();
  assert.ok(total.eventsLost > 0n, 'the ring was full');
  await until(
    () => heard.connections.length === Number(total.events),
    () => 'what was in the ring',
  );
  assert.equal(total.events + total.eventsLost, 3001n);
  assert.equal(
    heard.connections.reduce((sum, { missed }) => sum + 1 + missed, 0),
    3001,
  );
});

test('a listener may close the accelerator; nothing comes afterwards', async () => {
  await using mesh = await start({ events: true });
  let seen = 0;
  mesh.on('connection', () => {
    seen++;
    void mesh.close();
  });
  await dial(own, ['127.0.0.1:8080']);
  await until(
    () => mesh.closed,
    () => 'closed',
  );
  await mesh.close();
  assert.equal(seen, 1);
});

test('sock_pair_map is told before it is full, once for each level, and again after it was emptier; so is what found no room', async () => {
  const holder = bed.pod('holder');
  const stop = await startHolder(holder, 15001);
  await using mesh = await start({ events: { connection: false }, maxSockets: 40, pods: [holder.address] });
  const heard = listen(mesh);
  const levels = (): number[] => heard.pressures.map(({ level }) => level);
  const some = await hold(holder, '10.244.200.1', 80, 10);
  await until(
    () => mesh.counters().sockets === 20n,
    () => '20 sockets',
  );
  const more = await hold(holder, '10.244.200.1', 80, 7);
  await until(
    () => heard.pressures.length === 1,
    () => '80 %',
  );
  assert.deepEqual(heard.pressures[0], { map: 'sock_pair_map', entries: 32, maxEntries: 40, level: 0.8 });
  const rest = await hold(holder, '10.244.200.1', 80, 5);
  await until(
    () => heard.pressures.length === 2 && heard.drops.length > 0,
    () => '95 %, and no room',
  );
  assert.equal(levels()[1], 0.95);
  assert.equal(heard.drops[0]!.reason, 'mapFull');
  assert.equal(heard.drops[0]!.error, 'E2BIG');
  assert.equal(heard.drops[0]!.pod, holder.address);
  for (const release of [rest, more, some]) await release();
  await stop();
  await until(
    () => [...mesh.sockPairMap].length === 0,
    () => 'emptier',
  );
  const again = await startHolder(holder, 15001);
  const once_ = await hold(holder, '10.244.200.1', 80, 19);
  await until(
    () => heard.pressures.length === 4,
    () => 'told again',
  );
  assert.deepEqual(levels(), [0.8, 0.95, 0.8, 0.95]);
  await once_();
  await again();
});

test('so are the maps of rules', async () => {
  await using mesh = await start({ maxRulePorts: 100, maxPodRulePorts: 100 });
  const heard = listen(mesh);
  const ports = (count: number): { rules: PodRules } => ({
    rules: { excludeOutboundPorts: Array.from({ length: count }, (_, i) => i) },
  });
  mesh.localPodIps.set('10.9.0.1', ports(79)).set('10.9.0.2', { rules: { excludeInboundPorts: [1] } });
  await new Promise(setImmediate);
  assert.deepEqual(heard.pressures, [{ map: 'pod_rule_ports', entries: 80, maxEntries: 100, level: 0.8 }]);
  mesh.localPodIps.delete('10.9.0.1');
  mesh.localPodIps.set('10.9.0.1', ports(96));
  assert.deepEqual(heard.pressures.at(-1), { map: 'pod_rule_ports', entries: 97, maxEntries: 100, level: 0.95 });
  mesh.localPodIps.clear();
  mesh.localPodIps.set('10.9.0.1', ports(100));
  assert.equal(heard.pressures.length, 3);
});

test('a level of sock_pair_map that the rate left out is told by a later socket', async () => {
  const holder = bed.pod('limited');
  const stop = await startHolder(holder, 15001);
  await using mesh = await start({
    events: { connection: false, mapPressure: 1 },
    maxSockets: 40,
    pods: [holder.address],
  });
  const heard = listen(mesh);
  const releases = [await hold(holder, '10.244.200.1', 80, 16), await hold(holder, '10.244.200.1', 80, 3)];
  await until(
    () => mesh.counters().sockets === 38n && heard.pressures.length > 0,
    () => '80 %, and 95 % in the same second',
  );
  await new Promise(done => setTimeout(done, 1100));
  releases.push(await hold(holder, '10.244.200.1', 80, 1));
  await until(
    () => heard.pressures.length === 2,
    () => `told later: ${JSON.stringify(heard.pressures)}`,
  );
  assert.deepEqual(
    heard.pressures.map(({ level }) => level),
    [0.8, 0.95],
  );
  for (const release of releases) await release();
  await stop();
});

test('local_pod_ips is told at 80 and at 95 percent, whatever `events` says', async () => {
  await using mesh = await start({ maxPods: 200, pods: Array.from({ length: 165 }, (_, i) => `10.9.0.${i}`) });
  const heard = listen(mesh);
  await new Promise(setImmediate);
  assert.deepEqual(
    heard.pressures,
    [{ map: 'local_pod_ips', entries: 165, maxEntries: 200, level: 0.8 }],
    'by those of the start',
  );
  for (let i = 0; i < 35; i++) mesh.localPodIps.set(`10.9.1.${i}`);
  assert.equal(heard.pressures.length, 2);
  assert.equal(heard.pressures[1]!.level, 0.95);
  assert.ok(heard.pressures[1]!.entries <= 194, 'before it is full');
  for (let i = 0; i < 35; i++) mesh.localPodIps.set(`10.9.1.${i}`);
  assert.equal(heard.pressures.length, 2, 'writing the same again is nothing new');
  for (let i = 0; i < 35; i++) mesh.localPodIps.delete(`10.9.1.${i}`);
  for (let i = 0; i < 35; i++) mesh.localPodIps.set(`10.9.2.${i}`);
  assert.deepEqual(
    heard.pressures.map(({ level }) => level),
    [0.8, 0.95, 0.95],
  );
});
