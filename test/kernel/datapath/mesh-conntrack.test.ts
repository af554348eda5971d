/**
 * Connection tracking may put another source port into packets that a connect hook sent to a sidecar: then nobody knows
 * what was dialled.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bed, WEB_PORT, enterMesh, request, startSidecar, startWebServer, type SidecarKind } from '../../bed';

const KINDS: readonly SidecarKind[] = ['haproxy', 'envoy'];

for (const kind of KINDS) {
  test(
    `${kind}: a sidecar whose connection got another source port on the way does not dial itself`,
    { timeout: 240_000 },
    async () => {
      using bed = Bed.create({ subnet: 65 });
      const [client, server] = [bed.pod('client'), bed.pod('server')];
      await using mesh = await enterMesh(bed, 'full');
      await startWebServer(server);
      for (const pod of bed.pods) await startSidecar(pod, { kind, mode: 'tcp' });
      const url = `http://${server.address}:${WEB_PORT}/`;
      assert.equal((await request(client, url, { timeoutMs: 8000 })).ok, true);

      const snat = ['-p', 'tcp', '--dport', '15006', '-j', 'SNAT', '--to-source', `${client.address}:61000-61999`];
      server.admin('iptables', ['-t', 'nat', '-A', 'INPUT', ...snat]);
      const before = mesh.counters();
      assert.equal(
        (await request(client, url, { timeoutMs: 8000 })).ok,
        false,
        'nobody can know where this one wants to go',
      );
      const after = mesh.counters();
      assert.equal(after.inbound - before.inbound, 1n, 'the sidecar was not sent to itself');
      assert.equal(after.unknownOriginalDestinations - before.unknownOriginalDestinations, 1n);

      server.admin('iptables', ['-t', 'nat', '-D', 'INPUT', ...snat]);
      assert.equal((await request(client, url, { timeoutMs: 8000 })).ok, true, 'and others are not concerned');
    },
  );
}
