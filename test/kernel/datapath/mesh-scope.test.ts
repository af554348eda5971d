/** Scope: per pod, changed under way, and switched off with connections open. Nothing of it may cost a byte. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { type MeshAccelerator } from 'merbridge';
import {
  Bed,
  STREAM_PORT,
  WEB_PORT,
  enterMesh,
  request,
  startSidecar,
  startStreamServer,
  startWebServer,
  stream,
  type Pod,
  SLOWNESS,
} from '../../bed';

async function meshOfTwo(
  bed: Bed,
  scope: 'off' | 'proxies' | 'full',
): Promise<{ mesh: MeshAccelerator; client: Pod; server: Pod }> {
  const [client, server] = [bed.pod('client'), bed.pod('server')];
  const mesh = await enterMesh(bed, scope);
  return { mesh, client, server };
}

/** Sockets that entered the map, after one request on fresh sidecars. */
async function socketsOfOneRequest(mesh: MeshAccelerator, client: Pod, server: Pod): Promise<number> {
  const sidecars = await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'haproxy', log: false })));
  const before = mesh.counters().sockets;
  const { ok, error } = await request(client, `http://${server.address}:${WEB_PORT}/`);
  assert.ok(ok, error);
  await Promise.all(sidecars.map(sidecar => sidecar.stop()));
  return Number(mesh.counters().sockets - before);
}

test('a pod narrows or widens the scope of its own connections', async () => {
  using bed = Bed.create({ subnet: 51 });
  const { mesh, client, server } = await meshOfTwo(bed, 'proxies');
  await using _ = mesh;
  await startWebServer(server);
  const sockets = (): Promise<number> => socketsOfOneRequest(mesh, client, server);
  assert.equal(await sockets(), 2, 'proxies: the hop between the sidecars');
  mesh.localPodIps.set(client.address, { acceleration: 'full' });
  assert.equal(await sockets(), 4, 'the client and its sidecar too');
  mesh.localPodIps.set(server.address, { acceleration: 'full' });
  assert.equal(await sockets(), 6, 'and the server and its sidecar');
  mesh.localPodIps.set(server.address, { acceleration: 'off' });
  assert.equal(await sockets(), 2, 'what has no end in the server: only the client with its sidecar');
  mesh.localPodIps.set(client.address, { acceleration: 'off' });
  assert.equal(await sockets(), 0);
  mesh.localPodIps.setMany([
    [client.address, { acceleration: 'full' }],
    [server.address, { acceleration: 'full' }],
  ]);
  mesh.acceleration = 'off';
  assert.equal(await sockets(), 0, 'off for the accelerator is final, whatever pods say');
});

test(
  'switching at random under open streams loses, moves and doubles nothing',
  { timeout: 240_000 * SLOWNESS },
  async t => {
    using bed = Bed.create({ subnet: 52 });
    const { mesh, client, server } = await meshOfTwo(bed, 'full');
    await using _ = mesh;
    await startStreamServer(server);
    await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'haproxy', mode: 'tcp', log: false })));
    const scopes = ['off', 'full', 'proxies', 'full'] as const;
    let switches = 0;
    const timer = setInterval(() => {
      mesh.acceleration = scopes[switches++ % scopes.length]!;
    }, 7);
    try {
      // A connection changes once, so there are many, which meet the switch at other moments.
      for (let round = 0; round < 10; round++) {
        const reports = await Promise.all(
          [1000, 16_384, 65_536, 100_000].map(chunk =>
            stream(client, 'sender', {
              host: server.address,
              port: STREAM_PORT,
              bytes: chunk * 100,
              chunk,
              timeout: 60,
            }),
          ),
        );
        for (const { outcome, sent, server: received } of reports) {
          assert.equal(outcome, 'ok');
          assert.equal(received?.bytes, sent);
          assert.equal(received.wrongAt, -1);
        }
      }
    } finally {
      clearInterval(timer);
    }
    const { redirectedMessages, passedScope, passedSwitch } = mesh.counters();
    t.diagnostic(
      `${switches} switches, ${redirectedMessages} messages redirected, ${passedScope} passed by scope, ${passedSwitch} by the switch`,
    );
    assert.ok(redirectedMessages > 0n && passedScope + passedSwitch > 0n, 'the switch was met in both positions');
  },
);

test('off reaches connections that are open, and they live on; so do they after close', async () => {
  using bed = Bed.create({ subnet: 53 });
  const { mesh, client, server } = await meshOfTwo(bed, 'full');
  await using _ = mesh;
  await startStreamServer(server, { mode: 'echo' });
  await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'haproxy', mode: 'tcp', log: false })));
  const script = `
    const socket = require('net').connect(${STREAM_PORT}, '${server.address}');
    socket.on('connect', () => console.log('connected'));
    socket.on('data', data => console.log(String(data)));
    socket.on('error', error => console.log(error.code));
    process.stdin.on('data', data => socket.write(String(data).trim()));`;
  const talker = client.spawn(process.execPath, ['-e', script], { uid: 2000, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: talker.stdout! })[Symbol.asyncIterator]();
  const say = async (word: string): Promise<string> => {
    talker.stdin!.write(`${word}\n`);
    return ((await lines.next()) as { value: string }).value;
  };
  assert.equal((await lines.next()).value, 'connected');
  assert.equal(await say('one'), 'one');
  assert.equal(await say('two'), 'two');
  const accelerated = mesh.counters().redirectedMessages;
  assert.ok(accelerated > 0n);

  mesh.acceleration = 'off';
  assert.equal(await say('three'), 'three');
  assert.equal(mesh.counters().redirectedMessages, accelerated, 'not one message more');
  const { passedSwitch, socketsLeft } = mesh.counters();
  assert.deepEqual(
    [passedSwitch >= 3n, socketsLeft],
    [true, 6n],
    'on each of three hops a message, and then both ends left the map',
  );

  mesh.acceleration = 'full';
  assert.equal(await say('four'), 'four');
  assert.equal(mesh.counters().redirectedMessages, accelerated, 'a connection leaves the map once');

  await mesh.close();
  assert.equal(await say('five'), 'five');
  talker.stdin!.end();
  const ended = once(talker, 'exit');
  talker.kill();
  await ended;
});

test('a pod that was taken out keeps its connections, over the stack, and makes no new redirected ones', async () => {
  using bed = Bed.create({ subnet: 54 });
  const { mesh, client, server } = await meshOfTwo(bed, 'proxies');
  await using _ = mesh;
  await startWebServer(server);
  await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'haproxy', log: false })));
  const url = `http://${server.address}:${WEB_PORT}/`;
  assert.ok((await request(client, url)).ok);
  assert.equal([...mesh.processIp].length, 1, "the server's sidecar asked for an original destination");
  assert.equal(mesh.localPodIps.delete(server.address), true);
  assert.equal([...mesh.processIp].length, 0, 'process_ip forgets with the pod');
  const { redirectedMessages } = mesh.counters();
  assert.ok((await request(client, url)).ok, "the sidecars' pooled connection is still good");
  assert.equal(mesh.counters().redirectedMessages, redirectedMessages);
  assert.equal(mesh.localPodIps.delete(client.address), true);
  const { outbound } = mesh.counters();
  assert.ok((await request(client, url)).ok, 'straight to the server');
  assert.equal(mesh.counters().outbound, outbound);
});
