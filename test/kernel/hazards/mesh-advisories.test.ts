/** Known faults of the kernel: a warning where acceleration is on, which can be silenced, and changes nothing else. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { spawnSync } from '../../bed/children';
import { Bed } from '../../bed';

const ROOT = join(__dirname, '..', '..', '..');

let bed: Bed;
before(() => {
  bed = Bed.create({ subnet: 63 });
});
after(() => {
  bed?.close();
});

interface Told {
  /** Code and message of every advisory, as the event told it, and as the property lists it. */
  readonly emitted: readonly (readonly [code: string, message: string])[];
  readonly listed: readonly (readonly [code: string, message: string])[];
  readonly acceleration: string;
}

/** Starts an accelerator in a process that takes its kernel for another release; `then` runs with it as `mesh`. */
function startOn(release: string, options: object, then = ''): Told {
  const run = spawnSync(
    process.execPath,
    [
      '-e',
      `
    require('os').release = () => ${JSON.stringify(release)};
    require('os').version = () => '#1 SMP PREEMPT_DYNAMIC';
    const { MeshAccelerator } = require(${JSON.stringify(ROOT)});
    (async () => {
      const mesh = await MeshAccelerator.start(${JSON.stringify({ cgroup: bed.cgroupPath, ...options })});
      const told = ({ code, message }) => [code, message];
      const emitted = [];
      const isAdvisory = ({ code }) => code === 'ERR_BPF_KERNEL_ADVISORY'; // the kernel at hand may lack something, too
      mesh.on('warning', warning => { if (isAdvisory(warning)) emitted.push(told(warning)); });
      ${then}
      await new Promise(resolve => setTimeout(resolve, 50));
      console.log(JSON.stringify({ emitted, listed: mesh.warnings.filter(isAdvisory).map(told), acceleration: mesh.acceleration }));
      await mesh.close();
    })();`,
    ],
    { encoding: 'utf8', timeout: 120_000 },
  );
  assert.equal(run.status, 0, run.stderr);
  const told = JSON.parse(run.stdout) as Told;
  assert.deepEqual(told.emitted, told.listed);
  return told;
}

test('a kernel with known faults: one warning with their numbers, and acceleration is on all the same', () => {
  for (const acceleration of ['proxies', 'full']) {
    const { emitted, acceleration: now } = startOn('6.14.11', { acceleration });
    assert.equal(emitted.length, 1);
    assert.equal(emitted[0]![0], 'ERR_BPF_KERNEL_ADVISORY');
    assert.match(emitted[0]![1], /CVE-2025-38154 .*fixed in 6\.15\.3.*CVE-2025-38165/);
    assert.equal(now, acceleration);
  }
});

test('without acceleration there is none, until it is switched on: then one', () => {
  assert.deepEqual(startOn('6.14.11', { acceleration: 'off' }).emitted, []);
  const { emitted } = startOn(
    '6.14.11',
    { acceleration: 'off' },
    "for (const scope of ['full', 'off', 'proxies']) mesh.acceleration = scope;",
  );
  assert.deepEqual(
    emitted.map(([code]) => code),
    ['ERR_BPF_KERNEL_ADVISORY'],
  );
});

test('all or some can be ignored', () => {
  assert.deepEqual(startOn('6.14.11', { ignoreAdvisories: true }).emitted, []);
  assert.deepEqual(startOn('6.14.11', { ignoreAdvisories: ['CVE-2025-38154', 'CVE-2025-38165'] }).emitted, []);
  const [some] = startOn('6.14.11', { ignoreAdvisories: ['CVE-2025-38154'] }).emitted;
  assert.doesNotMatch(some![1], /CVE-2025-38154/);
  assert.match(some![1], /CVE-2025-38165/);
});

test('a kernel without them: none', () => {
  assert.deepEqual(startOn('6.16.0', { acceleration: 'full' }).emitted, []);
});
