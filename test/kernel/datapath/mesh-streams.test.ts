/**
 * Whole streams in every scope: data right after connect with a half-close behind it, and a reader that sleeps under a
 * fast sender.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Bed,
  SCOPES,
  STREAM_PORT,
  enterMesh,
  stall,
  startSidecar,
  startStreamServer,
  stream,
  type SidecarKind,
} from '../../bed';

/**
 * Hops that are not accelerated are plain TCP, and this is what bounds those: the kernel's default up to Linux 6.16.
 * (Later it is 32 MiB for each socket, and a stalled stream may cost more than 32 MB under iptables, too.)
 */
const TCP_RMEM = '4096 131072 6291456';
const KINDS: readonly SidecarKind[] = ['haproxy', 'envoy'];

for (const kind of KINDS) {
  for (const scope of SCOPES) {
    test(
      `${kind}, ${scope}: 2,000 connections send at once, half-close, and read the right answer`,
      { timeout: 240_000 },
      async () => {
        using bed = Bed.create({ subnet: 31 });
        const [client, server] = [bed.pod('client'), bed.pod('server')];
        await using mesh = await enterMesh(bed, scope);
        await startStreamServer(server);
        await Promise.all([client, server].map(pod => startSidecar(pod, { kind, mode: 'tcp', log: false })));
        const { outcomes } = await stream(client, 'burst', {
          host: server.address,
          port: STREAM_PORT,
          connections: 2000,
        });
        assert.deepEqual(outcomes, { ok: 2000 });

        const counters = mesh.counters();
        assert.equal(counters.outbound, 2000n);
        assert.equal(counters.inbound, 2000n);
        assert.equal(counters.hookErrors, 0n);
        assert.equal(counters.sockets, scope === 'off' ? 0n : scope === 'proxies' ? 4000n : 12_000n);
        assert.equal(counters.redirectedMessages > 0n, scope !== 'off');
        assert.equal(counters.passedFirst > 0n, scope !== 'off');
      },
    );
  }
}

for (const scope of SCOPES) {
  test(
    `haproxy, ${scope}: a reader that sleeps 4 s under 2 GB costs at most 32 MB, and the stream is whole`,
    { timeout: 240_000 },
    async t => {
      using bed = Bed.create({ subnet: 32 });
      const [client, server] = [bed.pod('client'), bed.pod('server')];
      for (const pod of bed.pods) pod.admin('sh', ['-c', `echo '${TCP_RMEM}' > /proc/sys/net/ipv4/tcp_rmem`]);
      await using mesh = await enterMesh(bed, scope);
      await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'haproxy', mode: 'tcp', log: false })));
      const result = await stall(client, server, 2e9, 4);
      const held = mesh.backlogAccount === 'kernel' ? result.socketMemory : result.tcpMemory;
      t.diagnostic(
        `${scope}: sockets + ${(held / 1e6).toFixed(1)} MB, machine + ${(result.memory / 1e6).toFixed(1)} MB, ${result.seconds.toFixed(1)} s`,
      );
      assert.equal(result.bytes, 2e9);
      assert.equal(result.wrongAt, -1);
      assert.ok(result.seconds >= 4, 'the reader slept');
      assert.equal(mesh.counters().redirectedBytes > 0n, scope !== 'off');
      assert.ok(held > 64e3 && held <= 32e6, `the sockets held ${(held / 1e6).toFixed(1)} MB`);
    },
  );
}
