/**
 * Everyday servers and clients in scope `full`, and under iptables as the control: every body arrives whole. The short
 * form of `npm run soak:programs`.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SIDECAR_KINDS } from '../../bed';
import { type Prepared, ProgramPods, ROUTES, prepareSite, routeName } from '../../bed/programs';

/** After so many failures it is clear, and each that hangs takes half a minute. */
const ENOUGH = 2;

let site: Prepared;
before(() => {
  site = prepareSite([1e6, 20e6]);
});
after(() => site?.remove());

for (const sidecar of SIDECAR_KINDS) {
  // One control is enough: it is the programs that it speaks of, and not the sidecar.
  for (const mode of sidecar === 'haproxy' ? (['full', 'iptables'] as const) : (['full'] as const)) {
    test(`${sidecar}, ${mode}: real programs get every body, whole`, { timeout: 200_000 }, async t => {
      await using pods = await ProgramPods.open({ mode, sidecar, site, subnet: 150 });
      const failures: string[] = [];
      let transfers = 0;
      for (const body of site.files) {
        for (const route of ROUTES) {
          if (failures.length === ENOUGH) break;
          const failure = await pods.transfer(route, body);
          transfers++;
          if (!failure) continue;
          failures.push(`${routeName(route)}, ${body.bytes} bytes: ${failure.fault} ${failure.answer ?? ''}`);
          for (const socket of failure.waiting ?? []) t.diagnostic(socket);
        }
      }
      t.diagnostic(`${transfers} transfers, ${failures.length} failed`);
      assert.deepEqual(failures, []);
      assert.equal(
        (pods.mesh?.counters().redirectedBytes ?? 0n) > 0n,
        mode === 'full',
        'they took the path that they should',
      );
    });
  }
}
