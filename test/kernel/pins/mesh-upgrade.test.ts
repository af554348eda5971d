/**
 * An agent comes and goes in every way, under probes of new connections and a connection that stays, and none of them
 * notices.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { PinnedMesh, detachAll, type MeshAcceleratorOptions } from 'merbridge';
import { BpfLink, BpfProgram } from 'merbridge/bpf';
import { Bed, applyIstioRules, startSidecar, startStreamServer, SLOWNESS } from '../../bed';
import { Agent } from '../../bed/agent';
import { Probe, assertUnharmed } from '../../bed/probe';
import { Random } from '../../bed/random';
import { until } from '../../bed/shell';
import { Bpffs } from '../../fixtures/bpffs';
import { assertNotInKernel } from '../../fixtures/pin-place';
import { MORE_HOOKS, OTHER_PODS, OTHER_PROGRAM, buildVariant } from '../../fixtures/variant';

for (const kind of ['haproxy', 'envoy'] as const) {
  test(
    `killed, restarted, upgraded, stopped and removed under probes: none fails (${kind})`,
    { timeout: 280_000 * SLOWNESS },
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
      /** Of the program that runs, whatever else is pinned. */
      const tag = (): string => {
        using link = BpfLink.openPin(join(pinDirectory, 'v1/links/mb_ingress'));
        using running = BpfProgram.fromId(link.programId());
        return running.tag;
      };
      const grows = async (what: string, count: () => bigint, by: bigint): Promise<void> => {
        const before = count();
        await until(
          what,
          () => count() > before + by,
          undefined,
          () => `: from ${before} to ${count()}`,
        );
      };
      const probe = await Probe.start(
        client,
        server,
        Random.drawn(line => t.diagnostic(line)),
      );
      await probe.more(40);
      const first = tag();

      // Killed: nobody is there, and everything goes on.
      await agent.end('SIGKILL');
      await grows('accelerated without an agent', redirected, 50n);
      assert.equal(mesh.agent(), undefined);

      const restart = async (root?: string): Promise<void> => {
        agent = await Agent.start(options, root);
        assert.equal(agent.report.code, undefined, agent.report.message);
        assert.equal(agent.report.acceleration, 'full');
        assert.deepEqual([...(agent.report.pods ?? [])].sort(), [client.address, server.address].sort());
        await probe.more(15);
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
      await grows('new connections are redirected by the rules of their pod', outbound, 5n);
      await grows('and accelerated', redirected, 10n);
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
      await grows('accelerated by this one', redirected, 10n);
      await agent.end('SIGTERM');
      await probe.more(15);

      const removed = await detachAll({ pinDirectory });
      assert.ok(removed.length > 0);
      await probe.more(40);
      assertUnharmed(await probe.end(), line => t.diagnostic(`${kind}: ${line}`));
      // Accelerated sockets hold their program to the end.
      await Promise.all(sidecars.map(sidecar => sidecar.stop()));
      mesh.close();
      await assertNotInKernel(removed, kind);
    },
  );
}
