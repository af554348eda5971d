/**
 * The shortest whole use of the library, for kernels on which nothing else was run: attach, one request in each scope
 * through each proxy, check(), diagnose(), detach, and nothing is left.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diagnose } from 'merbridge';
import { execFileSync } from '../bed/children';
import { Bed, SCOPES, SIDECAR_KINDS, WEB_PORT, enterMesh, request, startSidecar, startWebServer } from '../bed';
import { until } from '../bed/shell';

/** Ids of all programs and maps. */
function inKernel(): string[] {
  return ['prog', 'map'].flatMap(kind => {
    const output = execFileSync('bpftool', ['-j', kind, 'list'], { encoding: 'utf8', maxBuffer: 64 << 20 });
    return (JSON.parse(output) as { id: number; name?: string }[]).map(({ id, name }) => `${kind} ${id} ${name ?? ''}`);
  });
}

test('attach, one request in each scope through each proxy, check(), diagnose(), detach', async () => {
  const before = inKernel();
  using bed = Bed.create({ subnet: 109 });
  const pairs = SIDECAR_KINDS.map(kind => ({ kind, client: bed.pod(`${kind}-c`), server: bed.pod(`${kind}-s`) }));
  await using mesh = await enterMesh(bed, 'off');
  for (const { kind, client, server } of pairs) {
    await startWebServer(server, { bodyBytes: 20_000 });
    const [outbound, inbound] = [await startSidecar(client, { kind }), await startSidecar(server, { kind })];
    for (const scope of SCOPES) {
      mesh.acceleration = scope;
      for (const sidecar of [outbound, inbound]) sidecar.clearLog();
      const before = mesh.counters();
      const { status, body, error, peer } = await request(client, `http://${server.address}:${WEB_PORT}/`);
      assert.deepEqual(
        { status, bytes: body.length, error, peer },
        { status: 200, bytes: 20_000, error: '', peer: `${server.address}:${WEB_PORT}` },
        `${kind}, ${scope}`,
      );
      for (const sidecar of [outbound, inbound])
        assert.equal((await sidecar.logged(1)).length, 1, `${kind}, ${scope}: the sidecar of ${sidecar.pod.name}`);
      const { outbound: redirected, redirectedMessages, hookErrors } = mesh.counters();
      assert.equal(redirected - before.outbound, 1n, `${kind}, ${scope}`);
      assert.equal(hookErrors, 0n, `${kind}, ${scope}`);
      if (scope === 'off') assert.equal(redirectedMessages, before.redirectedMessages, kind);
      // In `proxies` the hop between the sidecars is as old as the request before it, in which it was not accelerated.
      if (scope === 'full')
        assert.ok(redirectedMessages > before.redirectedMessages, `${kind}: nothing was redirected`);
    }
  }
  assert.deepEqual(mesh.check(), []);
  const { problems, kernel } = await diagnose({ cgroup: bed.cgroupPath });
  assert.deepEqual(problems, []);
  console.log(`kernel ${kernel.release}, ${mesh.backlogAccount} accounts, FIONREAD counts: ${mesh.fionreadCounts}`);
  await mesh.close();
  bed.close();
  assert.deepEqual(bed.leftovers(), []);
  let left: string[] = [];
  await until('the kernel frees programs and maps', () => {
    left = inKernel().filter(each => !before.includes(each));
    return left.length === 0;
  }).catch(() => assert.deepEqual(left, []));
});
