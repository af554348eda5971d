/**
 * A process of the sidecar's user dials in a loop while another pod's sidecar does not answer. What is remembered of connections that wait for that
 * sidecar must not be lost to it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Bed, SIDECAR_UID, enterMesh, forge, secretBurst, startSecretServer, startSidecar, type Mode, type SidecarKind } from '../bed';

const PORT = 8080;
const CONNECTIONS = 7000;
const STOPPED_MS = 3000;
/** More than pair_original_dst has room for. */
const DIALS = 16_384;
const KINDS: readonly SidecarKind[] = ['haproxy', 'envoy'];
const MODES: readonly Mode[] = ['iptables', 'proxies'];

for (const kind of KINDS) {
  for (const mode of MODES) {
    test(`${kind}, ${mode}: ${CONNECTIONS} connections to a sidecar that is stopped for 3 s are answered, whoever else dials`, {
      timeout: 120_000,
    }, async t => {
      using bed = Bed.create({ subnet: 78 });
      const [client, server, neighbour, idle] = [bed.pod('client'), bed.pod('server'), bed.pod('neighbour'), bed.pod('idle')];
      const mesh = await enterMesh(bed, mode);
      await using _ = mesh ?? { [Symbol.asyncDispose]: async () => undefined };
      await startSecretServer(server, PORT);
      const [, sidecar] = await Promise.all([client, server].map(pod => startSidecar(pod, { kind, mode: 'tcp', log: false, connectSeconds: 60 })));
      assert.ok(sidecar);

      // Nobody listens in that pod: each dial is remembered, refused, and gone.
      using flood = await forge({ pod: neighbour, uid: SIDECAR_UID, privilege: 'none' }, {
        way: 'plain', sources: ['0.0.0.0'], targets: [`${idle.address}:80`], ports: ['1-65535'],
      });
      process.kill(sidecar.pid, 'SIGSTOP');
      let burst: ReturnType<typeof secretBurst>;
      try {
        burst = secretBurst(client, server, PORT, CONNECTIONS);
        await setTimeout(STOPPED_MS);
      } finally {
        process.kill(sidecar.pid, 'SIGCONT');
      }
      const began = performance.now();
      const { answered, wrong, lost } = await burst;
      const { dials, errors } = await flood.end();
      t.diagnostic(
        `${answered} of ${CONNECTIONS} answered, ${wrong} wrong, lost ${JSON.stringify(lost)}, the last ${((performance.now() - began) / 1000).toFixed(1)} s ` +
        `after the stop; ${dials} dials of the flood, errors ${JSON.stringify(errors)}; unknown origins ${mesh?.counters().unknownOrigins}`,
      );
      assert.ok(dials > 2 * DIALS, `the flood was one: ${dials} dials`);
      assert.deepEqual({ answered, wrong, lost }, { answered: CONNECTIONS, wrong: 0, lost: {} });
    });
  }
}
