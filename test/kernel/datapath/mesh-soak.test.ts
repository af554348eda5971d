/**
 * Streams of every kind through real sidecars in every scope, and something happening to them: the short form of
 * `npm run soak`. The same bed has to find what a naive program does.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import {
  CASE_NAMES,
  DISTURBING,
  FINDERS,
  Ground,
  SCOPES,
  SIDECAR_KINDS,
  findDamage,
  notHere,
  runCases,
} from '../../bed';

const MEASURE = { scale: 0.1, seconds: 1, downloadBytes: 5e7, limitMs: 30_000 };
const seed = Number(process.env['MERBRIDGE_SEED'] ?? randomInt(1, 2 ** 31));

for (const sidecar of SIDECAR_KINDS) {
  for (const scope of SCOPES) {
    test(
      `${sidecar}, ${scope}: streams of every kind come whole or end, whatever happens on the way`,
      { timeout: 240_000 },
      async t => {
        t.diagnostic(`MERBRIDGE_SEED=${seed}`);
        await using ground = await Ground.open({ path: scope, sidecar, subnet: 97 });
        const here = CASE_NAMES.filter(name => notHere(name, ground.options) === undefined);
        const calm = here.filter(name => !DISTURBING.includes(name));
        for (const names of [calm, ...here.filter(name => DISTURBING.includes(name)).map(name => [name])]) {
          const { streams, again, bad } = await runCases(names, ground, seed, MEASURE);
          t.diagnostic(`${streams} streams, ${again} reads repeated: ${names.join(', ')}`);
          assert.deepEqual(bad, [], `${names.join(', ')}, seed ${seed}`);
          if (names === calm)
            assert.equal(
              ground.mesh!.counters().redirectedBytes > 0n,
              scope !== 'off',
              'it took the path that it should',
            );
        }
      },
    );
  }
}

for (const sidecar of SIDECAR_KINDS) {
  for (const finder of FINDERS) {
    test(
      `${sidecar}: a program that keeps no order is found damaging by streams of '${finder}'`,
      { timeout: 240_000 },
      async t => {
        t.diagnostic(`MERBRIDGE_SEED=${seed}`);
        const { streams, bad } = await findDamage(finder, sidecar, seed, 98);
        t.diagnostic(
          `${bad.length} of ${streams} streams: ${[...new Set(bad.map(({ damage }) => damage))].join(', ')}`,
        );
        assert.ok(bad.length > 0, `the naive program went unfound over ${streams} streams`);
      },
    );
  }
}
