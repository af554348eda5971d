/** What FIONREAD counts on an accelerated socket is found out at start, and told where a program may hang of it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MeshAccelerator, detachAll, diagnose, type FionreadCounts, type MeshAcceleratorOptions } from 'merbridge';
import { Cgroup } from 'merbridge/bpf';
import { type Ends, Worlds, connectEnds } from '../../bed';
import { ownedCgroupPath } from '../../bed/owned';
import { Bpffs } from '../../fixtures/bpffs';
import { diagnoses, inChild, type ChildOptions } from '../../fixtures/in-child';
import { ROOT, withCgroup } from '../../fixtures/support';

const FEATURE = 'redirected bytes counted by FIONREAD';
const CODE = 'ERR_BPF_UNREAD_NOT_COUNTED';

/** For a process whose FIONREAD counts nothing. */
const WITHOUT: ChildOptions = { through: ['python3', join(ROOT, 'test', 'fixtures', 'without-fionread.py')] };

test('the answer is what a program sees, in full and in a naive sockmap', { timeout: 240_000 }, async () => {
  await using worlds = await Worlds.create(147);
  const pending = async ({ client, server }: Ends): Promise<number> => {
    await client.get('send', 'hello');
    assert.equal(await server.get('arrived', 5), 'hello');
    return server.get('fionread');
  };

  await using full = await worlds.connect('full');
  // The first message may go any way; of one that was redirected, TCP has seen nothing.
  await full.client.get('send', 'first');
  assert.equal(await full.server.get('recv', 5), 'first');
  const before = await full.server.get('traffic');
  const redirected = await pending(full);
  assert.equal((await full.server.get('traffic')).received, before.received, 'the message took the stack');

  // Only the accepting end is in the map, so everything takes the stack.
  const { plain, naive } = worlds.pods;
  await using half = await connectEnds(plain, naive, naive.address, 9201);
  const stack = await pending(half);

  const seen: Record<FionreadCounts, readonly [redirected: number, stack: number]> = {
    all: [5, 5],
    redirected: [5, 0],
    stack: [0, 5],
  };
  assert.deepEqual([redirected, stack], seen[worlds.mesh.fionreadCounts]);
  const { features } = await diagnose();
  assert.equal(features.find(({ name }) => name === FEATURE)?.supported, redirected === 5);
});

test('a warning is a matter of what the kernel does, not of its version', () =>
  withCgroup(async cgroup => {
    await using mesh = await MeshAccelerator.start({ cgroup: cgroup.path, acceleration: 'full' });
    assert.ok(['all', 'redirected', 'stack'].includes(mesh.fionreadCounts), mesh.fionreadCounts);
    assert.equal(
      mesh.warnings.some(({ code }) => code === CODE),
      mesh.fionreadCounts === 'stack',
    );
  }));

describe('where redirected bytes are not counted', () => {
  let cgroup: Cgroup;
  before(() => {
    cgroup = Cgroup.create(ownedCgroupPath('fionread'));
  });
  after(() => cgroup.remove());

  interface Warned {
    readonly counts: FionreadCounts;
    readonly adopted: boolean;
    readonly acceleration: string;
    /** Messages of the warnings, and how many there were before the rest of the code ran. */
    readonly emitted: readonly string[];
    readonly listed: readonly string[];
    readonly atStart: number;
  }

  /** Starts an accelerator there; `then` runs with it as `mesh`. */
  function started(options: Partial<MeshAcceleratorOptions>, then = ''): Warned {
    const warned = inChild(
      `
      const mesh = await m.MeshAccelerator.start(${JSON.stringify({ cgroup: cgroup.path, ...options })});
      const told = warnings => warnings.filter(({ code }) => code === '${CODE}').map(({ message }) => message);
      const emitted = [];
      mesh.on('warning', warning => emitted.push(...told([warning])));
      const turn = () => new Promise(setImmediate);
      await turn();
      const atStart = emitted.length;
      ${then}
      await turn();
      const { acceleration, fionreadCounts: counts } = mesh;
      await mesh.close();
      return { counts, adopted: mesh.adoption !== undefined, acceleration, emitted, listed: told(mesh.warnings), atStart };`,
      WITHOUT,
    ) as unknown as Warned;
    assert.equal(warned.counts, 'stack');
    assert.deepEqual(warned.emitted, warned.listed);
    return warned;
  }

  test('full for all: one warning with the programs that hang, and what to do; and it is full', () => {
    const { emitted, atStart, acceleration } = started({ acceleration: 'full' });
    assert.equal(acceleration, 'full');
    assert.deepEqual([emitted.length, atStart], [1, 1]);
    assert.match(emitted[0]!, /nginx, OpenResty, ingress-nginx, Kong, Tengine/);
    assert.match(emitted[0]!, /acceleration 'proxies'/);
  });

  test('full for one pod that is there at start: one', () => {
    const pods = [['10.0.0.7', { acceleration: 'full' }], ['10.0.0.8', { acceleration: 'full' }], '10.0.0.9'] as const;
    const { emitted, atStart } = started({ pods });
    assert.deepEqual([emitted.length, atStart], [1, 1]);
  });

  test('none as long as nobody wants it', () => {
    const { emitted } = started(
      { pods: ['10.0.0.7', ['10.0.0.8', { acceleration: 'proxies' }]] },
      `
      mesh.localPodIps.set('10.0.0.9', { acceleration: 'off' });
      for (const scope of ['off', 'proxies']) mesh.acceleration = scope;`,
    );
    assert.deepEqual(emitted, []);
  });

  test('full for all later: one, however often', () => {
    const { emitted, atStart } = started({}, "for (const scope of ['full', 'off', 'full']) mesh.acceleration = scope;");
    assert.deepEqual([emitted.length, atStart], [1, 0]);
  });

  test('full for a pod later: one, however many', () => {
    const { emitted, atStart } = started(
      { pods: ['10.0.0.7'] },
      `
      mesh.localPodIps.set('10.0.0.7', { acceleration: 'full' });
      mesh.localPodIps.setMany([['10.0.0.8', { acceleration: 'full' }], ['10.0.0.9', { acceleration: 'full' }]]);`,
    );
    assert.deepEqual([emitted.length, atStart], [1, 0]);
  });

  test('a pod gets what it wants only where acceleration is on', () => {
    const pods = [['10.0.0.7', { acceleration: 'full' }]] as const;
    assert.deepEqual(started({ acceleration: 'off', pods }).emitted, []);
    assert.equal(started({ acceleration: 'off', pods }, "mesh.acceleration = 'proxies';").emitted.length, 1);
  });

  test('pins that are taken over: a pod of theirs, or their scope', async () => {
    using bpffs = new Bpffs();
    const options: Partial<MeshAcceleratorOptions>[] = [
      { acceleration: 'full' },
      { pods: [['10.0.0.7', { acceleration: 'full' }]] },
    ];
    for (const [index, first] of options.entries()) {
      const pinDirectory = bpffs.directory(`mesh-${index}`);
      assert.equal(started({ pinDirectory, ...first }).emitted.length, 1);
      const { adopted, emitted, atStart } = started({ pinDirectory });
      assert.deepEqual([adopted, emitted.length, atStart], [true, 1, 1]);
      await detachAll({ pinDirectory });
    }
  });

  test('it can be ignored', () => {
    for (const ignoreAdvisories of [true, ['FIONREAD']])
      assert.deepEqual(started({ acceleration: 'full', ignoreAdvisories }).emitted, []);
    assert.equal(started({ acceleration: 'full', ignoreAdvisories: ['CVE-2025-38154'] }).emitted.length, 1);
  });

  test('diagnose() says who may use full, and that acceleration can work', () => {
    const { features, problems } = inChild(
      diagnoses({ cgroup: cgroup.path }).replaceAll('problems', 'problems, features'),
      WITHOUT,
    ) as {
      problems?: readonly string[];
      features?: readonly { name: string; required: boolean; supported?: boolean; reason?: string }[];
    };
    assert.deepEqual(problems, []);
    const { required, supported, reason } = features!.find(({ name }) => name === FEATURE)!;
    assert.deepEqual({ required, supported }, { required: false, supported: false });
    assert.match(reason!, /use 'full' only for pods whose programs do not rely on FIONREAD; nginx, .* need 'proxies'/);
  });
});
