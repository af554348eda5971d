/** diagnose(): what it says is so, it leaves nothing, and it needs nothing. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { MeshAccelerator, detachAll, diagnose, type Diagnosis, type Unknown } from 'merbridge';
import { Cgroup, OpenBpfObject } from 'merbridge/bpf';
import { TYPESCRIPT, spawnSync } from '../../bed/children';
import { Agent } from '../../bed/agent';
import { Bpffs } from '../../fixtures/bpffs';
import { compile, openFds, ROOT, withCgroup } from '../../fixtures/support';
import { unprivileged } from '../../fixtures/unprivileged';

function known<T extends object>(part: T | Unknown | undefined): T {
  assert.ok(part !== undefined && !('unknown' in part), JSON.stringify(part));
  return part;
}

const SCRIPT =
  "require('merbridge').diagnose(JSON.parse(process.argv[1])).then(found => console.log(JSON.stringify(found)));";

/** Runs it as a user with these capabilities. */
function diagnoseAs(capabilities: readonly string[], options: object, env: Record<string, string> = {}): Diagnosis {
  const flags = unprivileged(capabilities, [process.execPath, __filename]);
  const run = spawnSync('setpriv', [...flags, process.execPath, '-e', SCRIPT, JSON.stringify(options)], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 240_000,
    env: { ...process.env, ...env },
  });
  assert.equal(run.stderr, '');
  assert.equal(run.status, 0);
  return JSON.parse(run.stdout) as Diagnosis;
}

test('all that is attached and pinned, by whom, and nothing is left or changed', () =>
  withCgroup(async cgroup => {
    using bpffs = new Bpffs();
    const pinDirectory = bpffs.directory();
    using child = Cgroup.create(join(cgroup.path, 'pods'));
    try {
      const agent = await Agent.start({ cgroup: child.path, pinDirectory, pods: ['10.0.0.7'] });
      using object = OpenBpfObject.openFile(compile('naive-sockets')).load();
      using _ = cgroup.attach(object.program('naive_sockets')); // somebody else's, above
      const before = openFds();
      const found = await diagnose({ cgroup: child.path, pinDirectory });
      assert.deepEqual(openFds(), before, 'file descriptors were left open');
      assert.deepEqual(JSON.parse(JSON.stringify(found)), found); // plain data

      assert.deepEqual(found.problems, []);
      assert.equal(found.ok, true);
      assert.deepEqual(
        found.features.filter(({ required, supported }) => required && supported !== true),
        [],
      );
      assert.deepEqual(found.process, { uid: 0, missingCapabilities: [] });
      assert.match(known(found.libbpf).version, /^1\.\d+$/);
      assert.match(known(found.libbpf).path ?? '', /libbpf/);
      const { mounts, valid, path } = known(found.cgroup);
      assert.ok(valid && mounts.includes(Cgroup.mountPoint()));
      assert.equal(path, child.path);

      const attached = known(found.attached);
      const ours = attached.filter(each => each.cgroup === child.path);
      assert.equal(ours.length, 7);
      assert.ok(ours.every(each => each.ours === true && each.name.startsWith('mb_')));
      const pins = known(found.pins);
      assert.deepEqual(new Set(pins.links.map(({ id }) => id)), new Set(ours.map(({ linkId }) => linkId)));
      const { name, attachType, ours: isOurs, id } = attached.find(each => each.cgroup === cgroup.path)!;
      assert.deepEqual(
        { name, attachType, isOurs, id },
        { name: 'naive_sockets', attachType: 'sockops', isOurs: false, id: object.program('naive_sockets').id },
      );
      assert.equal(pins.agent, agent.process.pid);
      assert.equal(pins.running, 1);
      assert.deepEqual(
        pins.maps.find(({ map }) => map === 'local_pod_ips'),
        { map: 'local_pod_ips', entries: 1, maxEntries: 16_384, evicts: false },
      );
      assert.deepEqual(
        known(found.hazards).filter(({ applies }) => applies === undefined),
        [],
      );

      await agent.end('SIGKILL');
      assert.equal(known((await diagnose({ cgroup: child.path, pinDirectory })).pins).agent, undefined);
      await detachAll({ pinDirectory });
      const gone = await diagnose({ cgroup: child.path, pinDirectory });
      assert.equal(known(gone.pins).exists, false);
      assert.deepEqual(
        known(gone.attached).map(each => each.name),
        ['naive_sockets'],
      );
    } finally {
      child.remove();
    }
  }));

test('without a capability it says what it cannot know, and why', () =>
  withCgroup(async cgroup => {
    using bpffs = new Bpffs();
    const found = diagnoseAs([], { cgroup: cgroup.path, pinDirectory: bpffs.directory('nobody') });
    const missing = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'];
    assert.deepEqual(found.process.missingCapabilities, missing);
    assert.equal(found.ok, false);
    assert.deepEqual(found.problems, [`this process lacks ${missing.join(', ')}`]);
    for (const { name, supported, reason } of found.features.filter(feature => feature.name !== 'BTF'))
      // a file that everybody may read
      assert.deepEqual(
        { name, supported, reason },
        { name, supported: undefined, reason: `the process lacks ${missing.join(', ')}` },
      );
    assert.ok(known(found.cgroup).valid);
    assert.match((found.attached as Unknown).unknown, /CAP_NET_ADMIN/);
    assert.match(known(found.libbpf).version, /^1\./);
  }));

test("with the three capabilities it knows all but the names of others' programs", () =>
  withCgroup(async cgroup => {
    await using mesh = await MeshAccelerator.start({ cgroup: cgroup.path });
    const found = diagnoseAs(['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'], { cgroup: mesh.cgroup });
    assert.deepEqual(found.problems, []);
    assert.equal(found.ok, true);
    assert.equal(
      known(found.attached).filter(each => each.cgroup === cgroup.path && each.ours === undefined && each.name === '')
        .length,
      7,
    );
  }));

test('what is not there is told, not thrown: the cgroup, the pins, libbpf', async () => {
  using bpffs = new Bpffs();
  const found = await diagnose({ cgroup: '/proc', pinDirectory: '/tmp' });
  assert.equal(found.ok, false);
  assert.match(found.problems.join(), /\/proc/);
  assert.match((found.attached as Unknown).unknown, /no cgroup/);
  assert.match((found.pins as Unknown).unknown, /not in a BPF file system/);
  assert.equal(known((await diagnose({ pinDirectory: bpffs.directory('none') })).pins).exists, false);
  const without = diagnoseAs(
    ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'],
    {},
    { MERBRIDGE_LIBBPF: '/nowhere/libbpf.so.1' },
  );
  assert.equal(without.ok, false);
  assert.match((without.libbpf as Unknown).unknown, /nowhere/);
  assert.equal(without.problems.length, 1, without.problems.join('\n'));
  assert.ok(
    without.features.every(
      ({ name, supported, reason }) => name === 'BTF' || (supported === undefined && /nowhere/.test(reason ?? '')),
    ),
  );
  await assert.rejects(diagnose({ nothing: 1 } as never), TypeError);
});

test('examples/diagnose.ts ends with 1 where acceleration cannot work', () => {
  const run = spawnSync(process.execPath, [...TYPESCRIPT, join(ROOT, 'examples', 'diagnose.ts'), '/proc'], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 240_000,
  });
  assert.equal(run.status, 1, run.stderr);
  assert.match(run.stdout, /^acceleration cannot work here.*\n +.*\/proc/m);
});
