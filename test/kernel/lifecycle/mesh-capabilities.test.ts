/**
 * The capabilities that README.md names are enough, without root, and each of them is needed: the error says which one
 * is missing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spawnSync } from '../../bed/children';
import { ROOT, withCgroup } from '../../fixtures/support';
import { unprivileged } from '../../fixtures/unprivileged';

const CAPABILITIES = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'];

const SCRIPT = `
  const { MeshAccelerator } = require('merbridge');
  MeshAccelerator.start({ cgroup: process.argv[1], pods: ['10.0.0.6'] }).then(async mesh => {
    mesh.localPodIps.set('10.0.0.7', { acceleration: 'full' }).delete('10.0.0.6');
    mesh.acceleration = 'off';
    mesh.counters();
    const pods = [...mesh.localPodIps].length;
    await mesh.close();
    return { pods };
  }).catch(({ code, missing, cause }) => ({ code, missing, cause: cause?.code }))
    .then(result => console.log(JSON.stringify(result)));`;

/** Starts an accelerator as a user that has these capabilities and can never have another. */
function startWith(capabilities: readonly string[], cgroup: string): unknown {
  const flags = unprivileged(capabilities, [process.execPath, __filename]);
  const run = spawnSync('setpriv', [...flags, process.execPath, '-e', SCRIPT, cgroup], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 240_000,
  });
  assert.equal(run.stderr, '');
  return JSON.parse(run.stdout);
}

test('an accelerator starts without root, with the three capabilities', () =>
  withCgroup(cgroup => {
    assert.deepEqual(startWith(CAPABILITIES, cgroup.path), { pods: 1 });
    assert.deepEqual(cgroup.programs({ attachType: 'cgroup/connect4' }), []);
  }));

for (const missing of CAPABILITIES) {
  test(`without ${missing} the error says so, and nothing is left attached`, () =>
    withCgroup(cgroup => {
      const { code, missing: named } = startWith(
        CAPABILITIES.filter(name => name !== missing),
        cgroup.path,
      ) as Record<string, unknown>;
      assert.deepEqual({ code, named }, { code: 'ERR_BPF_PERMISSION', named: [missing] });
      assert.deepEqual(cgroup.programs({ attachType: 'cgroup/connect4' }), []);
    }));
}
