/** Pins: what lies there, who may work with it, and what a later process finds. */
// Alone: it takes pins over again and again, against the limits of those who wait for them.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, readdirSync, rmdirSync, statSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import {
  MerbridgeError,
  MeshAccelerator,
  PinnedMesh,
  detachAll,
  meshProfiles,
  type ForeignPinError,
  type MeshAcceleratorOptions,
  type PinConflictError,
  type PinsInUseError,
} from 'merbridge';
import { BpfArrayMap, BpfLink, BpfProgram, Cgroup, OpenBpfObject, u32 } from 'merbridge/bpf';
import { ownedCgroupPath, ownedDirectory } from '../../bed/owned';
import { execFileSync, spawnSync } from '../../bed/children';
import { DirectoryLock } from '../../../src/bpf/internal';
import { WriterLock } from '../../../src/mesh/pins/writer-lock';
import { Agent } from '../../bed/agent';
import { Bpffs } from '../../fixtures/bpffs';
import { ROOT, compile } from '../../fixtures/compile';
import { NOBODY_SPECIAL, unprivileged } from '../../fixtures/unprivileged';
import { HOOKS } from '../../fixtures/hooks';

let bpffs: Bpffs;
let cgroup: Cgroup;
let pinDirectory: string;
beforeEach(() => {
  bpffs = new Bpffs();
  pinDirectory = bpffs.directory();
  cgroup = Cgroup.create(ownedCgroupPath('pins'));
});
afterEach(() => {
  bpffs[Symbol.dispose]();
  if (!cgroup.closed) cgroup.remove();
});

const attached = (path = cgroup.path): number => {
  using open = Cgroup.open(path);
  return HOOKS.reduce((sum, attachType) => sum + open.programs({ attachType }).length, 0);
};
const files = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true }).flatMap(entry =>
    entry.isDirectory() ? files(join(path, entry.name)) : [join(path, entry.name)],
  );
const start = (options: Partial<MeshAcceleratorOptions> = {}): Promise<MeshAccelerator> =>
  MeshAccelerator.start({ cgroup: cgroup.path, pinDirectory, ...options });

/** Fails unless it is refused with this code, and everything that was there is there afterwards. */
async function refused<E extends MerbridgeError>(
  code: E['code'],
  body: () => Promise<unknown>,
  message = /./,
): Promise<E> {
  const before = files(bpffs.path);
  const programs = attached();
  try {
    await body();
  } catch (error) {
    assert.ok(error instanceof MerbridgeError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.deepEqual(files(bpffs.path), before);
    assert.equal(attached(), programs);
    return error as E;
  }
  throw new Error(`${code} was expected`);
}

test('closing leaves the hooks attached, a new start takes over, and detachAll removes all and says what', async () => {
  await using first = await start({ acceleration: 'full', pods: ['10.0.0.1', ['10.0.0.2', { acceleration: 'off' }]] });
  assert.equal(first.adoption, undefined);
  assert.equal(statSync(pinDirectory).mode & 0o777, 0o700);
  assert.deepEqual(first.check({ cgroups: [cgroup.path] }), []);
  await first.close();
  assert.equal(attached(), HOOKS.length);

  await using second = await start();
  assert.deepEqual(second.adoption, { carriedOver: [], madeAnew: [] });
  assert.equal(second.acceleration, 'full');
  assert.deepEqual(new Map(second.localPodIps.entries()).size, 2);
  assert.equal(second.localPodIps.get('10.0.0.2')?.acceleration, 'off');
  assert.equal(attached(), HOOKS.length);
  assert.deepEqual(readdirSync(join(pinDirectory, 'v1/sets')), ['2'], 'the set before is gone');
  await second.close();

  const removed = await detachAll({ pinDirectory });
  assert.equal(attached(), 0);
  assert.deepEqual(
    removed
      .filter(({ kind }) => kind === 'link')
      .map(({ name }) => name)
      .at(-1),
    'mb_ingress',
  );
  assert.equal(removed.filter(({ kind }) => kind === 'link').length, HOOKS.length);
  assert.ok(
    removed.some(
      ({ kind, name, id, path }) =>
        kind === 'map' && name === 'local_pod_ips' && id > 0 && path.startsWith(pinDirectory),
    ),
  );
  assert.deepEqual(
    readdirSync(bpffs.path).filter(name => !name.endsWith('.debug')),
    [],
  );
  assert.deepEqual(await detachAll({ pinDirectory }), [], 'a second time');
});

test('pods that were there stay, unless a start says which there are', async () => {
  await (await start({ pods: ['10.0.0.1', '10.0.0.2'] })).close();
  await using agent = await start({ pods: ['10.0.0.2', '10.0.0.3'] });
  assert.deepEqual([...agent.localPodIps.keys()].sort(), ['10.0.0.2', '10.0.0.3']);
  await agent.close();
  await (await start({ pods: [] })).close();
  using mesh = PinnedMesh.open(pinDirectory);
  assert.deepEqual([...mesh.localPodIps.keys()], []);
});

test('sizes that nobody asks for are those that are pinned; others are carried over, and what does not fit changes nothing', async () => {
  await (await start({ maxPods: 4, pods: ['10.0.0.1', '10.0.0.2', '10.0.0.3'] })).close();
  await using same = await start();
  assert.equal(same.localPodIps.maxEntries, 4);
  await same.close();
  await using larger = await start({ maxPods: 8, maxSockets: 512 });
  assert.equal(larger.localPodIps.maxEntries, 8);
  assert.equal(larger.sockPairMap.maxEntries, 512);
  assert.ok(larger.adoption?.carriedOver.includes('local_pod_ips'));
  for (const name of ['sock_pair_map', 'socket_count']) assert.ok(larger.adoption?.madeAnew.includes(name), name);
  assert.equal([...larger.localPodIps.keys()].length, 3);
  await larger.close();
  await refused('ERR_BPF_MAP_FULL', () => start({ maxPods: 2 }));
  using mesh = PinnedMesh.open(pinDirectory);
  assert.equal([...mesh.localPodIps.keys()].length, 3);
});

test('the switch works from another process, the agent alive or dead, and the next start keeps it', async () => {
  const agent = await Agent.start({ cgroup: cgroup.path, pinDirectory, pods: ['10.0.0.1'] });
  assert.equal(agent.report.acceleration, 'proxies');
  using mesh = PinnedMesh.open(pinDirectory);
  assert.equal(mesh.agent(), agent.process.pid);
  mesh.acceleration = 'full';
  await agent.end('SIGKILL');
  assert.equal(mesh.agent(), undefined);
  assert.equal(mesh.acceleration, 'full');
  mesh.acceleration = 'off';
  assert.equal(mesh.counters().outbound, 0n);
  await using next = await start();
  assert.equal(next.acceleration, 'off');
  next.localPodIps.set('10.0.0.2');
  assert.deepEqual([...mesh.localPodIps.keys()].sort(), ['10.0.0.1', '10.0.0.2'], 'it reads what is pinned now');
  mesh.acceleration = 'full';
  next.localPodIps.set('10.0.0.3');
  assert.equal(next.acceleration, 'full', 'the agent does not write back what it knew');
  await next.close();
  await using chosen = await start({ acceleration: 'proxies' });
  assert.equal(mesh.acceleration, 'proxies');
  await chosen.close();
  mesh.close();
  assert.throws(() => mesh.acceleration, { code: 'ERR_BPF_CLOSED' });
});

test('two processes that write at the same time lose nothing of each other', async () => {
  await using agent = await start({ pods: ['10.0.0.1'] });
  using mesh = PinnedMesh.open(pinDirectory);
  const scopes = ['off', 'proxies', 'full'] as const;
  for (let i = 0; i < 300; i++) {
    mesh.acceleration = scopes[i % 3]!;
    agent.localPodIps.set('10.0.0.1', { acceleration: scopes[(i + 1) % 3]! });
    assert.equal(agent.acceleration, scopes[i % 3]);
  }
  await agent.close();
});

test('who switches locks what is pinned now, not what was removed meanwhile', async () => {
  await (await start()).close();
  using mesh = PinnedMesh.open(pinDirectory);
  using lock = WriterLock.open(pinDirectory);
  await detachAll({ pinDirectory });
  assert.throws(
    () => {
      mesh.acceleration = 'off';
    },
    { code: 'ERR_BPF_NOT_PINNED' },
  );
  await using agent = await start();
  using other = DirectoryLock.open(join(pinDirectory, 'v1'));
  lock.hold(() => assert.equal(other.tryAcquire(), false));
  assert.equal(other.tryAcquire(), true);
  other.unlock();
  mesh.acceleration = 'off';
  assert.equal(agent.acceleration, 'off');
  await agent.close();
});

test('a second agent is refused and told the pid of the first, in the same process too; force removes all the same', async () => {
  const agent = await Agent.start({ cgroup: cgroup.path, pinDirectory });
  const error = await refused<PinsInUseError>(
    'ERR_BPF_PINS_IN_USE',
    () => start(),
    new RegExp(`process ${agent.process.pid}`),
  );
  assert.equal(error.pid, agent.process.pid);
  await refused('ERR_BPF_PINS_IN_USE', () => detachAll({ pinDirectory }));
  await detachAll({ pinDirectory, force: true });
  assert.equal(attached(), 0);
  assert.equal(await agent.end('SIGTERM'), 0);
  await using own = await start();
  assert.equal((await refused<PinsInUseError>('ERR_BPF_PINS_IN_USE', () => start())).pid, process.pid);
  await own.close();
});

test('another cgroup, another profile and a later layout are refused with both named', async () => {
  await (await start()).close();
  using other = Cgroup.create(`${cgroup.path}-other`);
  try {
    const error = await refused<PinConflictError>('ERR_BPF_PIN_CONFLICT', () => start({ cgroup: other.path }));
    assert.deepEqual([error.property, error.pinned, error.wanted], ['cgroup', cgroup.path, other.path]);
  } finally {
    other.remove();
  }
  const mine = { ...meshProfiles.istio, name: 'mine', outboundPort: 4140 };
  const error = await refused<PinConflictError>('ERR_BPF_PIN_CONFLICT', () => start({ profile: mine }), /istio.*mine/);
  assert.equal(error.property, 'profile');
  const later = join(pinDirectory, 'v7');
  mkdirSync(later);
  for (const body of [() => start(), () => detachAll({ pinDirectory })])
    assert.equal((await refused<PinConflictError>('ERR_BPF_PIN_CONFLICT', body)).path, later);
});

test('a second pin directory at the same cgroup is refused, and not left behind', async () => {
  await (await start()).close();
  await refused('ERR_BPF_ALREADY_ATTACHED', () => start({ pinDirectory: bpffs.directory('other') }));
  await refused('ERR_BPF_ALREADY_ATTACHED', () => start({ pinDirectory: undefined }));
  assert.deepEqual(
    bpffs.entries('.').filter(name => !name.endsWith('.debug')),
    ['mesh'],
  );
});

test('a map that somebody took away is named; what is left can be removed', async () => {
  await (await start()).close();
  const path = join(pinDirectory, 'v1/sets/1/maps/mesh_settings');
  unlinkSync(path);
  assert.equal((await refused<ForeignPinError>('ERR_BPF_FOREIGN_PIN', () => start())).path, path);
  await detachAll({ pinDirectory });
  assert.equal(attached(), 0);
});

test('another process can be asked again and again while agents come and go', async () => {
  await (await start({ pods: ['10.0.0.1'] })).close();
  using mesh = PinnedMesh.open(pinDirectory);
  const agents = (async () => {
    for (let i = 0; i < 4; i++)
      await (await Agent.start({ cgroup: cgroup.path, pinDirectory, maxPods: 100 + i })).end('SIGKILL');
  })();
  let done = false;
  void agents
    .finally(() => {
      done = true;
    })
    .catch(() => undefined);
  let asked = 0;
  for (; !done; asked++) {
    const scope = asked % 2 === 0 ? 'full' : 'proxies';
    mesh.acceleration = scope;
    assert.equal(mesh.acceleration, scope);
    assert.deepEqual([...mesh.localPodIps.keys()], ['10.0.0.1']);
    using other = PinnedMesh.open(pinDirectory);
    assert.equal(other.acceleration, scope);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  await agents;
  assert.ok(asked > 20);
});

test('a scope that another process sets during a start is kept, and at no time another one', async t => {
  await (await start({ acceleration: 'proxies' })).close();
  using other = PinnedMesh.open(pinDirectory);
  const { pin } = BpfProgram.prototype;
  const { update } = BpfLink.prototype;
  let isFirst = true;
  t.mock.method(BpfProgram.prototype, 'pin', function (this: BpfProgram, path: string) {
    if (isFirst) other.acceleration = 'full'; // the settings were copied before
    isFirst = false;
    pin.call(this, path);
  });
  const seen = new Set<string>();
  t.mock.method(BpfLink.prototype, 'update', function (this: BpfLink, program: BpfProgram) {
    update.call(this, program);
    seen.add(other.acceleration);
  });
  await using mesh = await start({ maxPods: 77 });
  assert.ok(mesh.adoption?.carriedOver.includes('mesh_settings'), 'the settings are in a new map');
  assert.deepEqual([...seen], ['full']);
  assert.equal(mesh.acceleration, 'full');
});

test('what is not ours is refused with its path, and not deleted', async () => {
  await (await start()).close();
  const set = join(pinDirectory, 'v1/sets/1');
  const foreign = async (path: string, make: () => void, clear: () => void): Promise<void> => {
    make();
    for (const body of [() => start(), () => detachAll({ pinDirectory })])
      assert.equal((await refused<ForeignPinError>('ERR_BPF_FOREIGN_PIN', body)).path, path);
    clear();
  };
  using map = BpfArrayMap.create({ name: 'theirs', value: u32, maxEntries: 1 });
  const pinned = (path: string): [string, () => void, () => void] => [
    path,
    () => map.pin(path),
    () => unlinkSync(path),
  ];
  await foreign(...pinned(join(pinDirectory, 'theirs')));
  await foreign(...pinned(join(set, 'maps/local_pod_ips2')));
  await foreign(...pinned(join(pinDirectory, 'v1/links/theirs')));
  const program = join(set, 'programs/mb_sockops2');
  await foreign(...pinned(program));
  const link = join(set, 'maps/link');
  await foreign(
    link,
    () => symlinkSync(join(set, 'maps/local_pod_ips'), link),
    () => unlinkSync(link),
  );
  const directory = join(set, 'elsewhere');
  const within = join(directory, 'ours');
  await foreign(
    within,
    () => {
      mkdirSync(directory, 0o700);
      map.pin(within);
    },
    () => {
      unlinkSync(within);
      rmdirSync(directory);
    },
  );
  await foreign(
    within,
    () => {
      mkdirSync(directory, 0o700);
      symlinkSync(set, within);
    },
    () => {
      unlinkSync(within);
      rmdirSync(directory);
    },
  );
  const beside = join(pinDirectory, 'other');
  await foreign(
    beside,
    () => mkdirSync(beside),
    () => rmdirSync(beside),
  );
  // A link whose program is not pinned here, under a name of ours and under one of its own.
  using object = OpenBpfObject.openFile(compile('naive-sockets')).load();
  const other = Cgroup.create(join(cgroup.path, 'other'));
  using theirLink = other.attach(object.program('naive_sockets'));
  for (const name of ['mb_getsockname4', 'naive_sockets']) {
    const path = join(pinDirectory, 'v1/links', name);
    await foreign(
      path,
      () => theirLink.pin(path),
      () => unlinkSync(path),
    );
  }
  theirLink.close();
  other.remove();
  // The name of ours, but another object.
  const taken = join(pinDirectory, 'v1/links/mb_connect4');
  using ours = BpfLink.openPin(taken);
  await foreign(
    taken,
    () => {
      unlinkSync(taken);
      map.pin(taken);
    },
    () => {
      unlinkSync(taken);
      ours.pin(taken);
    },
  );
  await (await start()).close();
});

test('the directory itself: a symbolic link, a pin, not on bpffs, no parent', async () => {
  symlinkSync(bpffs.path, pinDirectory);
  await refused('ERR_BPF_FOREIGN_PIN', () => start(), /symbolic link/);
  unlinkSync(pinDirectory);
  using map = BpfArrayMap.create({ name: 'theirs', value: u32, maxEntries: 1 });
  map.pin(pinDirectory);
  await refused('ERR_BPF_FOREIGN_PIN', () => start(), /a pin/);
  unlinkSync(pinDirectory);
  const folder = ownedDirectory('no-bpffs');
  try {
    for (const path of [folder, join(folder, 'mesh'), join(bpffs.path, 'no/such')])
      for (const body of [() => start({ pinDirectory: path }), () => detachAll({ pinDirectory: path })])
        await refused('ERR_BPF_NOT_A_BPFFS', body, /mount -t bpf/);
    assert.deepEqual(readdirSync(folder), []);
  } finally {
    rmdirSync(folder);
  }
  await refused('ERR_BPF_NOT_PINNED', () => Promise.resolve().then(() => PinnedMesh.open(pinDirectory)));
  await assert.rejects(start({ pinDirectory: 'relative' }), TypeError);
});

test('a cgroup that was removed and made anew: check tells, and a start renews the attachments', async () => {
  await using agent = await start({ pods: ['10.0.0.1'] });
  cgroup.remove();
  const gone = agent.check();
  assert.deepEqual(new Set(gone.map(({ kind }) => kind)), new Set(['detached']));
  assert.equal(gone.length, HOOKS.length);
  cgroup = Cgroup.create(cgroup.path);
  assert.equal(
    agent.check().filter(({ kind }) => kind === 'detached').length,
    HOOKS.length,
    'the new one has the name of the old one only',
  );
  await agent.close();
  assert.equal(attached(), 0);
  await using next = await start();
  assert.equal(attached(), HOOKS.length);
  assert.deepEqual(next.check({ cgroups: [cgroup.path] }), []);
  assert.deepEqual([...next.localPodIps.keys()], ['10.0.0.1']);
  await next.close();
});

test('without root and CAP_SYS_ADMIN, in a directory of its own user: start, take over, check, switch, remove', () => {
  chmodSync(bpffs.path, 0o755);
  mkdirSync(pinDirectory, { mode: 0o700 });
  chownSync(pinDirectory, NOBODY_SPECIAL, NOBODY_SPECIAL);
  const code = `
    const { MeshAccelerator, PinnedMesh, detachAll } = require(${JSON.stringify(ROOT)});
    const [cgroup, pinDirectory] = ${JSON.stringify([cgroup.path, pinDirectory])};
    (async () => {
      for (const round of [1, 2]) {
        const mesh = await MeshAccelerator.start({ cgroup, pinDirectory });
        console.log(JSON.stringify([mesh.adoption !== undefined, mesh.check({ cgroups: [cgroup] })]));
        await mesh.close();
      }
      const mesh = PinnedMesh.open(pinDirectory);
      mesh.acceleration = 'off';
      console.log(mesh.acceleration);
      mesh.close();
      console.log((await detachAll({ pinDirectory })).filter(({ kind }) => kind === 'link').length);
    })();`;
  const { stdout, stderr } = spawnSync(
    'setpriv',
    [...unprivileged(['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'], [ROOT]), process.execPath, '-e', code],
    { encoding: 'utf8' },
  );
  assert.equal(stderr, '');
  assert.deepEqual(stdout.trim().split('\n'), ['[false,[]]', '[true,[]]', 'off', `${HOOKS.length}`]);
  assert.equal(attached(), 0);
  assert.deepEqual(readdirSync(pinDirectory), []);
});

test('check: programs of others below, in every mode, run beside ours', async () => {
  await using agent = await start();
  const pod = Cgroup.create(join(cgroup.path, 'pod'));
  const theirs = join(pinDirectory, 'v1/sets/1/programs/mb_getpeername4');
  for (const mode of [[], ['override'], ['multi']]) {
    execFileSync('bpftool', ['cgroup', 'attach', pod.path, 'getpeername4', 'pinned', theirs, ...mode]);
    assert.deepEqual(agent.check({ cgroups: [pod.path] }), []);
    execFileSync('bpftool', ['cgroup', 'detach', pod.path, 'getpeername4', 'pinned', theirs]);
  }
  pod.remove();
  await agent.close();
});

test('check: a link that somebody detached, a cgroup outside, one that does not exist', async () => {
  await using agent = await start();
  const pod = Cgroup.create(join(cgroup.path, 'pod'));
  assert.deepEqual(agent.check({ cgroups: [pod.path] }), []);
  assert.deepEqual(
    agent.check({ cgroups: [Cgroup.mountPoint()] }).map(({ kind }) => kind),
    ['outside'],
  );
  assert.deepEqual(
    agent.check({ cgroups: [join(cgroup.path, 'none')] }).map(({ kind }) => kind),
    ['unreadable'],
  );
  symlinkSync('/', join(pinDirectory, 'v1/foreign'));
  const unreadable = agent.check({ cgroups: [pod.path] });
  assert.deepEqual(
    [...new Set(unreadable.map(({ kind }) => kind))],
    ['unreadable'],
    'that something else lies there says nothing of the links',
  );
  assert.match(unreadable[0]!.message, /v1\/foreign/);
  unlinkSync(join(pinDirectory, 'v1/foreign'));
  using link = BpfLink.openPin(join(pinDirectory, 'v1/links/mb_getsockopt'));
  link.detach();
  assert.deepEqual(
    agent.check({ cgroups: [pod.path] }).map(({ kind, program }) => [kind, program]),
    [['detached', 'mb_getsockopt']],
  );
  pod.remove();
  await agent.close();
  await using next = await start();
  assert.deepEqual(next.check({ cgroups: [cgroup.path] }), []);
  await next.close();
});
