/** check() where the pins cannot be read: that says nothing of what the kernel runs, so the kernel is asked. */
import assert from 'node:assert/strict';
import { symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MeshAccelerator } from 'merbridge';
import { BpfLink } from 'merbridge/bpf';
import { HOOKS } from '../../fixtures/hooks';
import { PinPlace } from '../../fixtures/pin-place';

test('links that cannot be read are unreadable; a program that does not run is told of all the same', async () => {
  using place = new PinPlace();
  const { cgroup, pinDirectory } = place.options;
  await using mesh = await MeshAccelerator.start(place.options);
  using link = BpfLink.openPin(join(pinDirectory, 'v1/links/mb_getsockopt'));
  link.detach();
  const foreign = join(pinDirectory, 'v1/foreign');
  symlinkSync('/', foreign);
  const problems = mesh.check({ cgroups: [cgroup] });
  assert.deepEqual(
    problems.flatMap(({ kind, program }) => (kind === 'unreadable' ? [] : [[kind, program]])),
    [['not effective', 'mb_getsockopt']],
  );
  const unreadable = problems.filter(({ kind }) => kind === 'unreadable');
  assert.equal(unreadable.length, HOOKS.length);
  for (const { message } of unreadable) assert.match(message, /v1\/foreign/);

  unlinkSync(foreign);
  assert.deepEqual(
    mesh.check({ cgroups: [cgroup] }).map(({ kind, program }) => [kind, program]),
    [['detached', 'mb_getsockopt']],
  );
});
