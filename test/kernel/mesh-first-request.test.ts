/**
 * The first request of a freshly started pair of sidecars, 50 times with each proxy: none may be lost to learn
 * something.
 */
// Alone: it bounds the time of a first request.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bed, WEB_PORT, enterMesh, firstRequest, startSidecar, startWebServer, type SidecarKind } from '../bed';

const PAIRS = 50;

for (const [index, kind] of (['haproxy', 'envoy'] as const satisfies readonly SidecarKind[]).entries()) {
  test(`${kind}: the first request through ${PAIRS} fresh pairs is answered`, { timeout: 300_000 }, async () => {
    using bed = Bed.create({ subnet: 21 + index });
    await using mesh = await enterMesh(bed, 'proxies');
    const failures: string[] = [];
    for (let pair = 0; pair < PAIRS; pair++) {
      // New namespaces, new cgroups, new addresses: nothing about this pair was seen before.
      const client = bed.pod(`c${pair}`);
      const server = bed.pod(`s${pair}`);
      mesh.localPodIps.setMany([client.address, server.address]);
      const web = await startWebServer(server);
      const sidecars = await Promise.all([startSidecar(client, { kind }), startSidecar(server, { kind })]);
      const first = await firstRequest(client, `http://${server.address}:${WEB_PORT}/`);
      if (!first.ok) failures.push(`pair ${pair}: ${first.error || first.status}`);
      await Promise.all([web.stop(), ...sidecars.map(sidecar => sidecar.stop())]);
    }
    assert.deepEqual(failures, []);
    assert.equal(mesh.counters().outbound, BigInt(PAIRS), 'every one went through the sidecars');
    assert.equal(mesh.counters().inbound, BigInt(PAIRS));
    await mesh.close();
    bed.close();
    assert.deepEqual(bed.leftovers(), []);
  });
}
