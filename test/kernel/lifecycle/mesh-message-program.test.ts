/** `test/kernels/facts.ts` tells the sk_msg program that is loaded, which the release of the kernel only suggests. */
import assert from 'node:assert/strict';
import os from 'node:os';
import { test } from 'node:test';
import { MeshAccelerator } from 'merbridge';
import { kernelAtLeast } from 'merbridge/bpf';
import { MESSAGE_PROGRAMS } from '../../../src/mesh/datapath/hooks';
import { withCgroup } from '../../fixtures/support';
import { loadedMessageProgram } from '../../kernels/message-program';

test('without a mesh none is loaded', () => {
  assert.equal(loadedMessageProgram(), undefined);
});

for (const [index, release] of ['6.18.0', '6.1.0'].entries()) {
  const name = MESSAGE_PROGRAMS[index];
  const skip = index === 0 && !kernelAtLeast('6.2') && 'this kernel may refuse it';
  test(`a mesh that runs ${name}`, { skip }, async t => {
    const suggested = t.mock.method(os, 'release', () => release);
    await withCgroup(async ({ path }) => {
      await using _mesh = await MeshAccelerator.start({ cgroup: path });
      suggested.mock.restore();
      assert.equal(loadedMessageProgram(), name);
    });
  });
}
