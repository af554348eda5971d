/**
 * What an administrator may switch on in a kernel, and some of it never off again: so it runs in a guest of
 * scripts/test-kernels.sh only, and last.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Cgroup } from 'merbridge/bpf';
import { execFileSync } from '../bed/children';
import { ownedCgroupPath } from '../bed/owned';
import { diagnoses, inChild, starts, type Told } from '../fixtures/in-child';
import { unprivileged } from '../fixtures/unprivileged';

const LOCKDOWN = '/sys/kernel/security/lockdown';

assert.ok(
  existsSync('/merbridge/package.json'),
  'this changes the machine for good: run it by scripts/test-kernels.sh',
);

let cgroup: Cgroup;
before(() => {
  cgroup = Cgroup.create(ownedCgroupPath('hardened'));
});
after(() => cgroup.remove());

const start = (more: object = {}, through: readonly string[] = []): Told =>
  inChild(starts({ cgroup: cgroup.path, acceleration: 'full', ...more }), { through });

test('kernel.unprivileged_bpf_disabled: root starts, and who has the three capabilities', () => {
  const setting = '/proc/sys/kernel/unprivileged_bpf_disabled';
  const three = unprivileged(['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'], [process.execPath, __filename]);
  // 1 is for ever. A kernel that begins with 2 lets itself be set to 0 and 1.
  for (const value of ['0', '2', '1']) {
    writeFileSync(setting, value);
    assert.equal(readFileSync(setting, 'utf8').trim(), value);
    for (const through of [[], ['setpriv', ...three]]) {
      const { name, message } = start({}, through);
      assert.equal(name, 'ended', `${value}, ${through.length > 0 ? 'not ' : ''}root: ${message}`);
    }
  }
});

test('no BPF file system: only pins need it', () => {
  execFileSync('umount', ['/sys/fs/bpf']);
  try {
    assert.equal(start().name, 'ended');
    const { name, hint, message } = start({ pinDirectory: '/sys/fs/bpf/merbridge' });
    assert.equal(name, 'NotABpfFileSystemError', message);
    assert.match(hint ?? '', /mount -t bpf/);
  } finally {
    execFileSync('mount', ['-t', 'bpf', 'bpf', '/sys/fs/bpf']);
  }
});

test('lockdown: integrity changes nothing, confidentiality is named', t => {
  if (!existsSync(LOCKDOWN)) return t.skip('this kernel has no lockdown');
  writeFileSync(LOCKDOWN, 'integrity');
  assert.equal(start().name, 'ended');
  writeFileSync(LOCKDOWN, 'confidentiality');
  const { code, hint, message } = start();
  assert.equal(code, 'ERR_BPF_PERMISSION', message);
  assert.match(hint ?? '', /locked down/);
  const { problems = [] } = inChild(diagnoses({ cgroup: cgroup.path }));
  assert.ok(problems.length > 0 && problems.every(problem => /locked down/.test(problem)), problems.join('\n'));
});
