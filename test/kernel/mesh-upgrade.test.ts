/**
 * An agent comes and goes in every way, under probes of new connections and a connection that stays, and none of them
 * notices.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { PinnedMesh, detachAll, type MeshAcceleratorOptions } from 'merbridge';
import { BpfProgram } from 'merbridge/bpf';
import { Bed, applyIstioRules, startSidecar, startStreamServer } from '../bed';
import { Agent } from '../bed/agent';
import { assertUnharmed, startProbe } from '../bed/probe';
import { Bpffs } from '../fixtures/bpffs';
import { assertNotInKernel } from '../fixtures/pin-place';
import { MORE_HOOKS, OTHER_PODS, OTHER_PROGRAM, buildVariant } from '../fixtures/variant';

const delay = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds));

for (const kind of ['haproxy', 'envoy'] as const) {
  test(
    `killed, restarted, upgraded, stopped and removed under probes: none fails (${kind})`,
    { timeout: 120_000 },
    async t => {
      using bed = Bed.create({ subnet: kind === 'haproxy' ? 101 : 102 });
      using bpffs = new Bpffs();
      const pinDirectory = bpffs.directory();
      const [client, server] = [bed.pod('client'), bed.pod('server')];
      for (const pod of [client, server]) applyIstioRules(pod);
      const options: MeshAcceleratorOptions = { cgroup: bed.cgroupPath, pinDirectory };
      const [program, pods, hooks] = Object.entries({
        program: OTHER_PROGRAM,
        pods: OTHER_PODS,
        hooks: MORE_HOOKS,
      }).map(([name, variant]) => buildVariant(`${kind}-${name}`, variant));
      await startStreamServer(server, { mode: 'echo' });

      // What the probe dials is redirected because of a range, so it depends on the rules at every moment.
      const rules = { includeOutboundRanges: ['10.244.0.0/16', '192.168.0.0/16'], excludeOutboundPorts: [1, 2, 3] };
      let agent = await Agent.start({
        ...options,
        acceleration: 'full',
        pods: [[client.address, { rules }], server.address],
      });
      const outbound = (): bigint => mesh.counters().outbound;
      const sidecars = await Promise.all(
        [client, server].map(pod => startSidecar(pod, { kind, mode: 'tcp', log: false })),
      );
      using mesh = PinnedMesh.open(pinDirectory);
      const redirected = (): bigint => mesh.counters().redirectedMessages;
      const tag = (): string => {
        const [set] = bpffs.entries('mesh/v1/sets');
        using running = BpfProgram.fromPin(join(pinDirectory, 'v1/sets', set!, 'programs/mb_ingress'));
        return running.tag;
      };
      const finish = await startProbe(client, server);
      await delay(1000);
      const first = tag();

      // Killed: nobody is there, and everything goes on.
      await agent.end('SIGKILL');
      const whenKilled = redirected();
      await delay(1000);
      assert.ok(redirected() > whenKilled + 50n, 'accelerated without an agent');
      assert.equal(mesh.agent(), undefined);

      const restart = async (root?: string): Promise<void> => {
        agent = await Agent.start(options, root);
        assert.equal(agent.report.code, undefined, agent.report.message);
        assert.equal(agent.report.acceleration, 'full');
        assert.deepEqual([...(agent.report.pods ?? [])].sort(), [client.address, server.address].sort());
        await delay(400);
      };
      for (let i = 0; i < 3; i++) {
        await restart();
        await agent.end(i % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
      }
      assert.equal(tag(), first);

      await restart(program);
      assert.equal(JSON.stringify(agent.report.adoption), '{"carriedOver":[],"madeAnew":[]}');
      assert.notEqual(tag(), first, 'another program runs');
      await agent.end('SIGKILL');

      await restart(pods);
      for (const name of ['local_pod_ips', 'pod_rules', 'pod_rule_ports', 'pod_rule_ranges'])
        assert.ok(agent.report.adoption?.carriedOver.includes(name), name);
      const whenRedirected = outbound();
      const whenCarried = redirected();
      await delay(400);
      assert.ok(redirected() > whenCarried + 10n, 'new connections are accelerated');
      assert.ok(outbound() > whenRedirected + 5n, 'by the rules of their pod');
      await agent.end('SIGTERM');
      await restart(); // and back
      assert.equal(tag(), first);
      const { excludeOutboundPorts, includeOutboundRanges } = mesh.localPodIps.get(client.address)?.rules ?? {};
      assert.deepEqual({ excludeOutboundPorts, includeOutboundRanges }, rules, 'carried over twice');
      await agent.end('SIGTERM');

      await restart(hooks); // a later version with more hooks, and back
      await agent.end('SIGKILL');
      await restart();
      assert.equal(tag(), first);
      const whenBack = redirected();
      await delay(400);
      assert.ok(redirected() > whenBack + 10n, 'accelerated by this one');
      await agent.end('SIGTERM');
      await delay(500);

      const removed = await detachAll({ pinDirectory });
      assert.ok(removed.length > 0);
      await delay(1000);
      assertUnharmed(await finish(), line => t.diagnostic(`${kind}: ${line}`));
      // Accelerated sockets hold their program to the end.
      await Promise.all(sidecars.map(sidecar => sidecar.stop()));
      mesh.close();
      await assertNotInKernel(removed, kind);
    },
  );
}
