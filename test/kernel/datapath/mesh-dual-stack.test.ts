/**
 * Dual-stack clients (a JVM's, Node's: `::ffff:a.b.c.d`) and sidecars that listen on `::` take the same path as plain
 * IPv4.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Bed,
  SCOPES,
  SIDECAR_UID,
  STREAM_PORT,
  WEB_PORT,
  dial,
  enterMesh,
  originalDestinations,
  request,
  startListener,
  startSidecar,
  startStreamServer,
  startWebServer,
  stream,
} from '../../bed';

for (const scope of SCOPES) {
  test(`${scope}: Envoy on ::, a server on ::, a client through ::ffff:`, async () => {
    using bed = Bed.create({ subnet: 41 });
    const [client, server] = [bed.pod('client'), bed.pod('server')];
    await using mesh = await enterMesh(bed, scope);
    await startWebServer(server, { listen: '::' });
    const sidecars = await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'envoy', listen: '::' })));
    const url = `http://[::ffff:${server.address}]:${WEB_PORT}/`;
    for (let i = 0; i < 3; i++) {
      const { ok, error, peer } = await request(client, url);
      assert.ok(ok, error);
      assert.equal(
        peer,
        `::ffff:${server.address}:${WEB_PORT}`,
        'getpeername names what was dialled, in the form of an IPv6 socket',
      );
    }
    const destination = `${server.address}:${WEB_PORT}`;
    for (const [sidecar, side] of [
      [sidecars[0], 'outbound'],
      [sidecars[1], 'inbound'],
    ] as const) {
      await sidecar!.logged(3);
      assert.deepEqual(originalDestinations(sidecar!, side), Array(3).fill(destination));
      const { client: seen } = sidecar!.connections()[0]!;
      assert.equal(seen.split(':')[0], client.address, 'the sidecar sees the address of the pod');
    }
    const counters = mesh.counters();
    assert.equal(counters.outbound, 3n);
    assert.ok(counters.inbound >= 1n);
    assert.equal(counters.redirectedMessages > 0n, scope !== 'off', 'mapped sockets are accelerated like the others');
  });
}

test('mapped and plain IPv4 get the same answers from a listener on ::', async () => {
  using bed = Bed.create({ subnet: 42 });
  const [own, other] = [bed.pod('own'), bed.pod('other')];
  await using _mesh = await enterMesh(bed, 'full');
  await startListener(own, [15001, 15006], SIDECAR_UID, '::');
  const [plain, mapped] = await dial(own, [`${other.address}:80`, `[::ffff:${other.address}]:80`]);
  assert.equal(plain?.answer?.port, 15001);
  assert.equal(plain.answer.original, `${other.address}:80`);
  assert.equal(mapped?.answer?.original, plain.answer.original);
  assert.equal(mapped.peer, plain.peer);
  assert.equal(plain.peer, `${other.address}:80`);
});

test('a Node client, which opens an IPv6 socket for a mapped address, streams through both sidecars', async () => {
  using bed = Bed.create({ subnet: 43 });
  const [client, server] = [bed.pod('client'), bed.pod('server')];
  await using _mesh = await enterMesh(bed, 'full');
  await startStreamServer(server, { listen: '::' });
  await Promise.all(
    [client, server].map(pod => startSidecar(pod, { kind: 'envoy', mode: 'tcp', listen: '::', log: false })),
  );
  const { outcomes } = await stream(client, 'burst', {
    host: `::ffff:${server.address}`,
    port: STREAM_PORT,
    connections: 200,
  });
  assert.deepEqual(outcomes, { ok: 200 });
});
