/**
 * The first request of a freshly started pair of sidecars, 50 times with each proxy: none may be lost to learn
 * something.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bed, WEB_PORT, enterMesh, firstRequest, startSidecar, startWebServer, type SidecarKind } from '../../bed';

const PAIRS = 50;
const AT_ONCE = 4;

for (const [index, kind] of (['haproxy', 'envoy'] as const satisfies readonly SidecarKind[]).entries()) {
  test(`${kind}: the first request through ${PAIRS} fresh pairs is answered`, { timeout: 300_000 }, async () => {
    using bed = Bed.create({ subnet: 21 + index });
    await using mesh = await enterMesh(bed, 'proxies');
    const failures: string[] = [];
    /** New namespaces, new cgroups, new addresses: nothing about this pair was seen before. */
    const answered = async (pair: number): Promise<void> => {
      const client = bed.pod(`c${pair}`);
      const server = bed.pod(`s${pair}`);
      mesh.localPodIps.setMany([client.address, server.address]);
      const [web, ...sidecars] = await Promise.all([
        startWebServer(server),
        startSidecar(client, { kind }),
        startSidecar(server, { kind }),
      ]);
      const first = await firstRequest(client, `http://${server.address}:${WEB_PORT}/`);
      if (!first.ok) failures.push(`pair ${pair}: ${first.error || first.status}`);
      await Promise.all([web, ...sidecars].map(each => each.stop()));
    };
    let next = 0;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (next < PAIRS) await answered(next++);
      }),
    );
    assert.deepEqual(failures, []);
    assert.equal(mesh.counters().outbound, BigInt(PAIRS), 'every one went through the sidecars');
    assert.equal(mesh.counters().inbound, BigInt(PAIRS));
    await mesh.close();
    bed.close();
    assert.deepEqual(bed.leftovers(), []);
  });
}
