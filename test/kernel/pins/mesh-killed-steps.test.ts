/**
 * Killed before each step of a start, an upgrade or a removal: the next start or removal finds its way, and in the end
 * nothing is left.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { MeshAccelerator, detachAll } from 'merbridge';
import { killedAt } from '../../bed/killed';
import { Random } from '../../bed/random';
import { HOOKS } from '../../fixtures/hooks';
import { PinPlace } from '../../fixtures/pin-place';

/** Some steps drawn at random: so many, or as MERBRIDGE_TEST_INSTANTS says; `all` takes minutes. */
const GIVEN = process.env['MERBRIDGE_TEST_INSTANTS'];
const INSTANTS = GIVEN === 'all' ? Infinity : Number(GIVEN) || 4;

const start = (options: object, more = ''): string => `
  const mesh = await m.MeshAccelerator.start({ ...${JSON.stringify(options)}, ${more} });
  await mesh.close();`;

function instants(n: number, t: TestContext): number[] {
  const random = Random.drawn(line => t.diagnostic(line));
  const all = Array.from({ length: n }, (_, i) => i + 1);
  while (all.length > INSTANTS) all.splice(random.below(all.length), 1);
  t.diagnostic(`killed before step ${all.join(', ')} of ${n}`);
  return all;
}

test('a first start that is killed: a removal leaves nothing, a start stands', { timeout: 300_000 }, async t => {
  using place = new PinPlace();
  const { options } = place;
  const { pinDirectory } = options;
  const steps = await killedAt(0, start(options));
  await place.assertNothingIsLeft(await detachAll({ pinDirectory }), 'whole');
  const drawn = instants(steps!, t);
  for (const at of drawn) {
    const what = `killed before step ${at}`;
    assert.equal(await killedAt(at, start(options)), undefined);
    if (at % 2 === 0) await place.assertStarts([], what);
    await place.assertNothingIsLeft(await detachAll({ pinDirectory }), what);
  }
});

for (const [title, more] of [
  ['the same maps', ''],
  ['other maps', 'maxPods: 100 + Number(process.hrtime.bigint() % 1000n)'],
] as const) {
  test(
    `a start on pins that is killed, with ${title}: the hooks are all there, the next one keeps the pods`,
    { timeout: 300_000 },
    async t => {
      using place = new PinPlace();
      const { options } = place;
      const { pinDirectory } = options;
      await (await MeshAccelerator.start({ ...options, pods: ['10.0.0.1'] })).close();
      const steps = await killedAt(0, start(options, more));
      const drawn = instants(steps!, t);
      for (const at of drawn) {
        const what = `killed before step ${at}`;
        // The step may be one of the last ones of clearing away, which are fewer this time.
        await killedAt(at, start(options, more));
        assert.equal(place.attached().length, HOOKS.length, what);
        if (at % 3 === 0) {
          await place.assertNothingIsLeft(await detachAll({ pinDirectory }), what);
          await (await MeshAccelerator.start({ ...options, pods: ['10.0.0.1'] })).close();
        }
        await place.assertStarts(['10.0.0.1'], what);
      }
      await place.assertNothingIsLeft(await detachAll({ pinDirectory }), 'at the end');
    },
  );
}

test(
  'a removal that is killed: another one leaves nothing, and a start stands and is not switched off',
  { timeout: 300_000 },
  async t => {
    using place = new PinPlace();
    const { options } = place;
    const { pinDirectory } = options;
    const removal = `await m.detachAll({ pinDirectory: ${JSON.stringify(pinDirectory)} });`;
    await (await MeshAccelerator.start({ ...options, pods: ['10.0.0.1'] })).close();
    const steps = await killedAt(0, removal);
    const drawn = instants(steps!, t);
    for (const at of drawn) {
      const what = `killed before step ${at}`;
      await (await MeshAccelerator.start({ ...options, acceleration: 'full' })).close();
      assert.equal(await killedAt(at, removal), undefined, what);
      if (at % 2 === 0) {
        await using mesh = await MeshAccelerator.start(options);
        assert.equal(place.attached().length, HOOKS.length, what);
        assert.notEqual(mesh.acceleration, 'off', what);
        await mesh.close();
      }
      await place.assertNothingIsLeft(await detachAll({ pinDirectory }), what);
    }
  },
);
