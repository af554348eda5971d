/**
 * From the last version that landed to this one and back, under probes of new connections and a connection that stays:
 * none notices.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PinnedMesh, detachAll, type MeshAcceleratorOptions } from 'merbridge';
import { Bed, applyIstioRules, startSidecar, startStreamServer } from '../../bed';
import { Agent } from '../../bed/agent';
import { Probe, assertUnharmed } from '../../bed/probe';
import { Random } from '../../bed/random';
import { until } from '../../bed/shell';
import { Bpffs } from '../../fixtures/bpffs';
import { ROOT } from '../../fixtures/compile';
import { LAST_LANDED, buildCommit } from '../../fixtures/landed';
import { assertNotInKernel } from '../../fixtures/pin-place';

test('a clone without the commit is told so', () => {
  assert.throws(() => buildCommit('0'.repeat(40)), /commit 0{40} is not in the history of .*git fetch --unshallow/);
});

for (const kind of ['haproxy', 'envoy'] as const) {
  test(
    `upgraded from the last landed version, rolled back, upgraded again and removed under probes: none fails (${kind})`,
    { timeout: 280_000 },
    async t => {
      const landed = buildCommit(LAST_LANDED);
      using bed = Bed.create({ subnet: kind === 'haproxy' ? 103 : 104 });
      using bpffs = new Bpffs();
      const pinDirectory = bpffs.directory();
      const [client, server] = [bed.pod('client'), bed.pod('server')];
      for (const pod of [client, server]) applyIstioRules(pod);
      const options: MeshAcceleratorOptions = { cgroup: bed.cgroupPath, pinDirectory };
      await startStreamServer(server, { mode: 'echo' });

      // What the probe dials is redirected because of a range, so it depends on the rules at every moment.
      const rules = { includeOutboundRanges: ['10.244.0.0/16', '192.168.0.0/16'], excludeOutboundPorts: [1, 2, 3] };
      let agent = await Agent.start(
        { ...options, acceleration: 'full', pods: [[client.address, { rules }], server.address] },
        landed,
      );
      assert.equal(agent.report.code, undefined, agent.report.message);
      const sidecars = await Promise.all(
        [client, server].map(pod => startSidecar(pod, { kind, mode: 'tcp', log: false })),
      );
      const probe = await Probe.start(
        client,
        server,
        Random.drawn(line => t.diagnostic(line)),
      );
      await probe.more(40);

      for (const [what, root, end] of [
        ['to this one, the agent killed', ROOT, 'SIGKILL'],
        ['back, the agent stopped', landed, 'SIGTERM'],
        ['to this one again, the agent stopped', ROOT, 'SIGTERM'],
        ['back again, the agent killed', landed, 'SIGKILL'],
        ['to this one for good, the agent killed', ROOT, 'SIGKILL'],
      ] as const) {
        await agent.end(end);
        const since = performance.now();
        agent = await Agent.start(options, root);
        const { code, message, acceleration, pods, adoption } = agent.report;
        t.diagnostic(`${kind}: ${what}: ${Math.round(performance.now() - since)} ms, ${JSON.stringify(adoption)}`);
        assert.equal(code, undefined, message);
        assert.equal(acceleration, 'full', what);
        assert.deepEqual([...(pods ?? [])].sort(), [client.address, server.address].sort(), what);
        using mesh = PinnedMesh.open(pinDirectory);
        const before = mesh.counters();
        await until(
          `${what}: new connections are redirected and accelerated`,
          () => {
            const { outbound, redirectedMessages } = mesh.counters();
            return outbound > before.outbound + 5n && redirectedMessages > before.redirectedMessages + 10n;
          },
          undefined,
          () => `: ${JSON.stringify(mesh.counters())}, before ${JSON.stringify(before)}`,
        );
        await probe.more(40);
      }
      using mesh = PinnedMesh.open(pinDirectory);
      const { excludeOutboundPorts, includeOutboundRanges } = mesh.localPodIps.get(client.address)?.rules ?? {};
      assert.deepEqual({ excludeOutboundPorts, includeOutboundRanges }, rules, 'the rules came through all of it');
      await agent.end('SIGTERM');

      const removed = await detachAll({ pinDirectory });
      await probe.more(40);
      assertUnharmed(await probe.end(), line => t.diagnostic(`${kind}: ${line}`));
      // Accelerated sockets hold their program to the end.
      await Promise.all(sidecars.map(sidecar => sidecar.stop()));
      mesh.close();
      await assertNotInKernel(removed, kind);
    },
  );
}
