/** Killed at random moments, failed, or removed by another version: the next start or removal finds its way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MeshAccelerator, detachAll } from 'merbridge';
import { Agent } from '../../bed/agent';
import { Random } from '../../bed/random';
import { PinPlace } from '../../fixtures/pin-place';
import { BROKEN_ENTRANCE, OTHER_PODS, buildVariant } from '../../fixtures/variant';

/** Or as many as MERBRIDGE_TEST_INSTANTS says. */
const ROUNDS = Number(process.env['MERBRIDGE_TEST_INSTANTS']) || 10;

test('killed at random moments, each time followed by a start or a removal', { timeout: 300_000 }, async t => {
  using place = new PinPlace();
  const { options } = place;
  const { pinDirectory } = options;
  const since = performance.now();
  const first = Agent.spawn(options);
  await new Promise(resolve => first.stdout!.once('data', resolve));
  const duration = performance.now() - since;
  await new Promise(resolve => {
    first.once('exit', resolve);
    first.kill('SIGKILL');
  });
  const random = Random.drawn(line => t.diagnostic(line));
  for (let round = 0; round < ROUNDS; round++) {
    const child = Agent.spawn(options);
    await new Promise(resolve => setTimeout(resolve, duration * (0.3 + random.fraction() * 0.7)));
    await new Promise(resolve => {
      child.once('exit', resolve);
      child.kill('SIGKILL');
    });
    if (round % 2 === 0) await place.assertStarts([], `round ${round}`);
    else await place.assertNothingIsLeft(await detachAll({ pinDirectory }), `round ${round}`);
  }
  await place.assertNothingIsLeft(await detachAll({ pinDirectory }), 'at the end');
  t.diagnostic(`a start takes ${Math.round(duration)} ms`);
});

test('an upgrade that fails at its last hook leaves all hooks as they were', async () => {
  using place = new PinPlace();
  const { options } = place;
  await using agent = await MeshAccelerator.start({ ...options, acceleration: 'full', pods: ['10.0.0.1'] });
  await agent.close();
  const [before, pins] = [place.attached(), place.bpffs.entries('mesh/v1/sets/1/maps')];
  const { report } = await Agent.start({ ...options, acceleration: 'off' }, buildVariant('broken', BROKEN_ENTRANCE));
  assert.equal(report.code, 'ERR_BPF_SYSTEM_CALL');
  assert.match(report.message ?? '', /mb_connect4/);
  assert.deepEqual(place.attached(), before);
  assert.deepEqual(place.bpffs.entries('mesh/v1/sets'), ['1']);
  assert.deepEqual(place.bpffs.entries('mesh/v1/sets/1/maps'), pins);
  await using next = await MeshAccelerator.start(options);
  assert.equal(next.acceleration, 'full');
  await next.close();
});

test('a removal by another version finds its way through what that one did not know', async () => {
  using place = new PinPlace();
  const { options } = place;
  const { pinDirectory } = options;
  const grown = buildVariant('grown', OTHER_PODS);
  const agent = await Agent.start({ ...options, pods: ['10.0.0.1'] }, grown);
  await agent.end('SIGKILL');
  await place.assertNothingIsLeft(await detachAll({ pinDirectory }), 'of a later version');
});
