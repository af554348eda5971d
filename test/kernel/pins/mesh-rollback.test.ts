/**
 * A later version that pins more than this one knows is no dead end: this one looks at its mesh, takes it over, removes
 * it.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import {
  MeshAccelerator,
  PinnedMesh,
  detachAll,
  diagnose,
  meshProfiles,
  type AttachTypeName,
  type DetachedItem,
} from 'merbridge';
import { BpfArrayMap, BpfLink, BpfMapHandle, BpfProgram, bytes } from 'merbridge/bpf';
import { Agent } from '../../bed/agent';
import { killedAt } from '../../bed/killed';
import { Random } from '../../bed/random';
import { removeNetns } from '../../bed/netns';
import { ownedNetns } from '../../bed/owned';
import { HOOKS } from '../../fixtures/hooks';
import { PinPlace, assertNotInKernel } from '../../fixtures/pin-place';
import { BROKEN_ENTRANCE, MORE_HOOKS, buildVariant } from '../../fixtures/variant';

const MORE: readonly AttachTypeName[] = ['cgroup/getsockname4', 'cgroup_skb/egress', 'cgroup/sendmsg4'];
const more = (place: PinPlace): string[] =>
  MORE.flatMap(attachType => place.cgroup.programs({ attachType }).map(({ name }) => name));

/** Files below a directory, as paths from there. */
const files = (path: string, from = ''): string[] =>
  readdirSync(join(path, from), { withFileTypes: true })
    .flatMap(entry => (entry.isDirectory() ? files(path, join(from, entry.name)) : [join(from, entry.name)]))
    .sort();

/** What is behind all pins of a kind. */
function pinned(directory: string, kind: DetachedItem['kind']): DetachedItem[] {
  return files(directory).flatMap(name => {
    const path = join(directory, name);
    try {
      using open =
        kind === 'link'
          ? BpfLink.openPin(path)
          : kind === 'program'
            ? BpfProgram.fromPin(path)
            : BpfMapHandle.fromPin(path);
      return [{ kind, name, path, id: open.id }];
    } catch {
      return []; // of another kind
    }
  });
}

/** A network namespace of the test's own. */
class Netns implements Disposable {
  readonly path = ownedNetns('rollback');

  constructor() {
    process.env['MERBRIDGE_TEST_NETNS'] = this.path;
  }

  [Symbol.dispose](): void {
    delete process.env['MERBRIDGE_TEST_NETNS'];
    removeNetns(basename(this.path));
  }
}

let later: string | undefined;
const build = (): string => (later ??= buildVariant('later', MORE_HOOKS));

async function startLater({ options }: PinPlace, how: object = {}): Promise<void> {
  const agent = await Agent.start({ ...options, ...how }, build());
  assert.equal(agent.report.code, undefined, agent.report.message);
  await agent.end('SIGKILL');
}

test(
  'pins with more hooks, maps, programs and directories are opened, told of, taken over and removed',
  { timeout: 240_000 },
  async () => {
    using place = new PinPlace();
    using _ = new Netns();
    const { options } = place;
    const { pinDirectory } = options;
    await (await MeshAccelerator.start({ ...options, acceleration: 'full', pods: ['10.0.0.1'] })).close();
    await startLater(place);
    assert.deepEqual(more(place), ['mb_getsockname4', 'mb_egress', 'mb_sendmsg4']);
    const theirs = [...pinned(pinDirectory, 'link'), ...pinned(pinDirectory, 'program')];
    assert.equal(
      theirs.filter(({ kind }) => kind === 'link').length,
      HOOKS.length + MORE.length + 1,
      'one is of a network namespace',
    );

    using mesh = PinnedMesh.open(pinDirectory);
    assert.deepEqual([...mesh.localPodIps.keys()], ['10.0.0.1']);
    mesh.acceleration = 'proxies';
    const { pins } = await diagnose({ cgroup: options.cgroup, pinDirectory });
    assert.ok(pins && 'links' in pins);
    assert.equal(pins.links.filter(({ attached }) => attached).length, HOOKS.length + MORE.length + 1);

    await using back = await MeshAccelerator.start(options);
    assert.deepEqual(back.check({ cgroups: [options.cgroup] }), []);
    assert.equal(back.acceleration, 'proxies');
    assert.equal(mesh.acceleration, 'proxies', 'who looked at that one looks at this one now');
    assert.deepEqual([...back.localPodIps.keys()], ['10.0.0.1']);
    await back.close();
    assert.deepEqual(more(place), []);
    assert.deepEqual(
      files(pinDirectory).filter(path => /more|other|getsockname|egress|sendmsg|sk_lookup/.test(path)),
      [],
    );
    assert.deepEqual(readdirSync(join(pinDirectory, 'v1')).sort(), ['links', 'sets']);
    const kept = new Set(pinned(pinDirectory, 'link').map(({ id }) => id));
    await assertNotInKernel(
      theirs.filter(({ kind, id }) => kind === 'program' || !kept.has(id)),
      'stale',
    );

    await startLater(place);
    assert.deepEqual(more(place), ['mb_getsockname4', 'mb_egress', 'mb_sendmsg4']);
    const all = (['link', 'program', 'map'] as const).flatMap(kind => pinned(pinDirectory, kind));
    mesh.close();
    const removed = await detachAll({ pinDirectory });
    assert.deepEqual(
      new Set(removed.map(({ path }) => path)),
      new Set(all.map(({ path }) => path)),
      'each pin is told',
    );
    const order = removed.filter(({ kind }) => kind === 'link').map(({ name }) => name);
    assert.equal(order.at(-1), 'mb_ingress');
    for (const entrance of ['mb_sendmsg4', 'mb_connect4', 'mb_connect6'])
      for (const service of ['mb_getsockname4', 'mb_egress', 'mb_getsockopt'])
        assert.ok(order.indexOf(entrance) < order.indexOf(service), `${entrance}, ${service}`);
    assert.deepEqual(more(place), []);
    await place.assertNothingIsLeft(removed, 'of a later version');
  },
);

test(
  'a rollback that fails at its last hook leaves every hook of the later version as it was',
  { timeout: 240_000 },
  async () => {
    using place = new PinPlace();
    const { options } = place;
    await startLater(place, { pods: ['10.0.0.1'] });
    const ids = (): number[] => [
      ...place.attached(),
      ...MORE.flatMap(attachType => place.cgroup.programs({ attachType }).map(({ id }) => id)),
    ];
    const [programs, pins] = [ids(), files(options.pinDirectory)];
    const { report } = await Agent.start(options, buildVariant('broken-back', BROKEN_ENTRANCE));
    assert.equal(report.code, 'ERR_BPF_SYSTEM_CALL', report.message);
    assert.deepEqual(ids(), programs);
    assert.deepEqual(files(options.pinDirectory), pins);
    await place.assertStarts(['10.0.0.1'], 'after all');
    assert.deepEqual(more(place), []);
    await place.assertNothingIsLeft(await detachAll({ pinDirectory: options.pinDirectory }), 'in the end');
  },
);

test(
  'a rollback that is killed at any step: the next start or removal finds its way',
  { timeout: 280_000 },
  async t => {
    using place = new PinPlace();
    using _ = new Netns();
    const { options } = place;
    const { pinDirectory } = options;
    const rollback = `await (await m.MeshAccelerator.start(${JSON.stringify(options)})).close();`;
    await startLater(place, { pods: ['10.0.0.1'] });
    const steps = (await killedAt(0, rollback))!;
    // Those before the first change are those of any start: see mesh-killed-steps. The last ones are of the switch and
    // of clearing away.
    const random = Random.drawn(line => t.diagnostic(line));
    const drawn = Array.from({ length: 8 }, () => Math.ceil(steps * (0.3 + 0.7 * random.fraction())));
    t.diagnostic(`killed before step ${drawn.join(', ')} of ${steps}`);
    for (const [round, at] of drawn.entries()) {
      const what = `killed before step ${at}`;
      await startLater(place);
      await killedAt(at, rollback);
      assert.equal(place.attached().length, HOOKS.length, what);
      if (round % 2 === 0) {
        await place.assertStarts(['10.0.0.1'], what);
      } else {
        await place.assertNothingIsLeft(await detachAll({ pinDirectory }), what);
        await (await MeshAccelerator.start({ ...options, pods: ['10.0.0.1'] })).close();
      }
      assert.deepEqual(more(place), [], what);
    }
    await place.assertNothingIsLeft(await detachAll({ pinDirectory }), 'in the end');
  },
);

/** Text of the map that says which mesh it is. */
const about = (place: PinPlace): BpfArrayMap<Uint8Array> => {
  const sets = join(place.options.pinDirectory, 'v1/sets');
  return BpfArrayMap.fromPin(join(sets, readdirSync(sets)[0]!, 'maps/mesh_about'), { value: bytes(4096) });
};
const read = (place: PinPlace): Record<string, any> => {
  using map = about(place);
  return JSON.parse(Buffer.from(map.get(0)!).toString('utf8').replace(/\0.*$/s, '')) as Record<string, any>;
};
const write = (place: PinPlace, value: unknown): void => {
  using map = about(place);
  const text = Buffer.alloc(4096);
  text.write(typeof value === 'string' ? value : JSON.stringify(value));
  map.set(0, text);
};

test('which mesh it is: fields with a version, beside the sentence that earlier versions compare', async () => {
  using place = new PinPlace();
  const { options } = place;
  await (await MeshAccelerator.start(options)).close();
  const { excludedInboundPorts: _, tunnelPort, sidecarGid, ...mesh } = meshProfiles.istio;
  const sentence = 'istio (ports 15001 and 15006, user 1337, from 127.0.0.6)';
  const written = { version: 1, mesh, profile: sentence, cgroup: options.cgroup };
  assert.deepEqual(read(place), written);
  assert.deepEqual([tunnelPort, sidecarGid], [15008, 1337]);

  const accepted = async (value: unknown): Promise<void> => {
    write(place, value);
    await (await MeshAccelerator.start(options)).close();
    assert.deepEqual(read(place), written, 'as this one writes it');
  };
  await accepted({ cgroup: options.cgroup, profile: sentence }); // of an earlier version
  await accepted({ ...written, profile: 'in other words', mesh: { ...mesh, another: 1 }, more: [] }); // of a later one
  const { passthroughAddress: __, ...fewer } = mesh;
  await accepted({ ...written, mesh: fewer });

  const refused = async (value: unknown, code: string, message: RegExp): Promise<void> => {
    write(place, value);
    await assert.rejects(MeshAccelerator.start(options), (error: Error & { code?: string }) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    });
  };
  const other = { ...written, mesh: { ...mesh, outboundPort: 4140 } };
  await refused(other, 'ERR_BPF_PIN_CONFLICT', /name istio, outboundPort 4140, but name istio, outboundPort 15001/);
  await refused(
    { ...written, version: 2 },
    'ERR_BPF_PIN_CONFLICT',
    /described in version 2.*remove it with the version that made it/,
  );
  await refused({ profile: sentence.replace('1337', '2102') }, 'ERR_BPF_PIN_CONFLICT', /user 2102.*user 1337/);
  const halves = ['{"version":1}', '{"version":"1","mesh":{},"profile":""}', '{"version":1,"mesh":null,"profile":""}'];
  for (const rubbish of ['', 'null', '7', ...halves, 'x'.repeat(4000)])
    await refused(rubbish, 'ERR_BPF_FOREIGN_PIN', /mesh_about: it does not say which mesh this is/);
  await place.assertNothingIsLeft(
    await detachAll({ pinDirectory: options.pinDirectory }),
    'it can be removed all the same',
  );
});

test('a mesh without a passthrough address is another one than a mesh with one', async () => {
  using place = new PinPlace();
  const { options } = place;
  const profile = { ...meshProfiles.istio, passthroughAddress: undefined, tunnelPort: undefined };
  const conflict = (message: RegExp) => (error: Error & { code?: string }) => {
    assert.equal(error.code, 'ERR_BPF_PIN_CONFLICT', error.message);
    assert.match(error.message, message);
    return true;
  };
  await (await MeshAccelerator.start({ ...options, profile })).close();
  const { mesh } = read(place) as { mesh: { passthroughAddress: unknown } };
  assert.equal(mesh.passthroughAddress, null);
  await (await MeshAccelerator.start({ ...options, profile })).close();
  await assert.rejects(
    MeshAccelerator.start(options),
    conflict(/passthroughAddress none, but name istio, passthroughAddress 127\.0\.0\.6/),
  );
  await detachAll({ pinDirectory: options.pinDirectory });
  await (await MeshAccelerator.start(options)).close();
  await assert.rejects(
    MeshAccelerator.start({ ...options, profile }),
    conflict(/passthroughAddress 127\.0\.0\.6, but name istio, passthroughAddress none/),
  );
  await place.assertNothingIsLeft(await detachAll({ pinDirectory: options.pinDirectory }), 'in the end');
});

test('the longest name of a profile that can be pinned, and one that cannot', async () => {
  using place = new PinPlace();
  const { options } = place;
  const profile = { ...meshProfiles.istio, name: 'x'.repeat(1900) };
  await (await MeshAccelerator.start({ ...options, profile })).close();
  await (await MeshAccelerator.start({ ...options, profile })).close();
  await detachAll({ pinDirectory: options.pinDirectory });
  await assert.rejects(
    MeshAccelerator.start({ ...options, profile: { ...profile, name: 'x'.repeat(2100) } }),
    RangeError,
  );
  await place.assertNothingIsLeft([], 'it was refused');
});
