/**
 * A second accelerator for the same pods: a start refuses it, check and diagnose tell of it, and each says who holds
 * the other one.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from '../../bed/children';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, test } from 'node:test';
import {
  AlreadyAttachedError,
  MeshAccelerator,
  detachAll,
  diagnose,
  objectPath,
  type AttachmentHolder,
  type MeshAcceleratorOptions,
} from 'merbridge';
import { Cgroup, OpenBpfObject } from 'merbridge/bpf';
import { Agent } from '../../bed/agent';
import { ROOT } from '../../fixtures/compile';
import { WITHOUT_LOOK_BELOW, buildCommit } from '../../fixtures/landed';
import { PinPlace } from '../../fixtures/pin-place';
import { NOBODY_SPECIAL, unprivileged } from '../../fixtures/unprivileged';

let place: PinPlace;
let [top, pod, sibling]: Cgroup[] = [];
beforeEach(() => {
  place = new PinPlace();
  top = place.cgroup;
  [pod, sibling] = ['pod', 'sibling'].map(name => Cgroup.create(join(top!.path, name)));
});
afterEach(() => {
  for (const each of [pod, sibling]) each!.remove();
  place[Symbol.dispose]();
});

const at = (cgroup: Cgroup | undefined, more: Partial<MeshAcceleratorOptions> = {}): MeshAcceleratorOptions => ({
  cgroup: cgroup!.path,
  ...more,
});
const program = (cgroup: Cgroup | undefined): number => cgroup!.programs({ attachType: 'cgroup/connect4' })[0]!.id;

/** A start that must be refused, and change nothing. */
async function refused(options: MeshAcceleratorOptions, message: RegExp): Promise<AttachmentHolder> {
  const all = (): unknown =>
    [top, pod, sibling].map(each => each!.programs({ attachType: 'cgroup/connect4' }).map(({ id }) => id));
  const before = all();
  let caught: unknown;
  await assert.rejects(
    MeshAccelerator.start(options).then(mesh => mesh.unref()),
    (error: unknown) => {
      caught = error;
      return true;
    },
  );
  assert.ok(caught instanceof AlreadyAttachedError, String(caught));
  assert.match(caught.message, message);
  assert.deepEqual(all(), before);
  assert.equal(caught.holders.length, 1);
  assert.deepEqual(
    caught.programs.map(({ id }) => id),
    [caught.holders[0]!.programId],
  );
  return caught.holders[0]!;
}

test('held by this process: at the cgroup, above it, below it', async () => {
  await using mesh = await MeshAccelerator.start(at(pod));
  using inner = Cgroup.create(join(pod!.path, 'container'));
  for (const cgroup of [pod, inner, top]) {
    const holder = await refused(
      at(cgroup),
      new RegExp(`held by process ${process.pid}.*close the accelerator of this process first`),
    );
    assert.deepEqual(
      [holder.cgroup, holder.pid, holder.programId, holder.pinDirectory],
      [pod!.path, process.pid, program(pod), undefined],
    );
    assert.ok(holder.linkId! > 0);
  }
  inner.remove();
  await using beside = await MeshAccelerator.start(at(sibling));
  await mesh.close();
  await beside.close();
  await (await MeshAccelerator.start(at(top))).close();
});

test('held by another process, which ends as the message says: then the start stands', async () => {
  const agent = await Agent.start(at(pod));
  for (const cgroup of [pod, top]) {
    const { pid } = agent.process;
    const holder = await refused(at(cgroup), new RegExp(`held by process ${pid}.*stop process ${pid} first`));
    assert.deepEqual([holder.pid, holder.cgroup], [pid, pod!.path]);
  }
  await agent.end('SIGKILL');
  await (await MeshAccelerator.start(at(top))).close();
});

test('held by pins, with an agent and without one, which are removed as the message says', async () => {
  const pinDirectory = place.bpffs.directory('other');
  const agent = await Agent.start(at(pod, { pinDirectory }));
  for (const cgroup of [pod, top]) {
    const { pid } = agent.process;
    const holder = await refused(
      at(cgroup),
      new RegExp(`pins in ${pinDirectory} and process ${pid}.*stop process ${pid}, then`),
    );
    assert.deepEqual([holder.pid, holder.pinDirectory], [pid, pinDirectory]);
  }
  await agent.end('SIGKILL');
  const removal = `detachAll({ pinDirectory: ${JSON.stringify(pinDirectory)} })`.replace(/[(){}.]/g, '\\$&');
  for (const options of [at(pod), at(top), at(top, place.options)]) {
    const holder = await refused(options, new RegExp(`${removal}`));
    assert.deepEqual([holder.pid, holder.pinDirectory, holder.cgroup], [undefined, pinDirectory, pod!.path]);
  }
  await detachAll({ pinDirectory });
  await (await MeshAccelerator.start(at(top))).close();
});

test('check tells of a second one from above, of another version too, once, and of nothing when it is gone', async () => {
  await using mesh = await MeshAccelerator.start(at(pod));
  assert.deepEqual(mesh.check({ cgroups: [pod!.path] }), []);
  for (const more of [{}, { pinDirectory: place.options.pinDirectory }]) {
    const other = await Agent.start(at(top, more), buildCommit(WITHOUT_LOOK_BELOW));
    assert.equal(other.report.code, undefined, other.report.message);
    for (const options of [{}, { cgroups: [pod!.path] }, { cgroups: [pod!.path, pod!.path] }]) {
      const problems = mesh.check(options);
      assert.deepEqual(
        problems.map(({ kind, cgroup }) => [kind, cgroup]),
        [['second accelerator', pod!.path]],
      );
      const [{ holder, message, programs }] = problems as [(typeof problems)[0]];
      assert.deepEqual([holder?.programId, holder?.cgroup], [program(top), top!.path]);
      assert.deepEqual([holder?.pid, holder?.pinDirectory], [other.process.pid, more.pinDirectory]);
      assert.deepEqual(
        programs.map(({ id }) => id),
        [program(top)],
      );
      assert.match(
        message,
        new RegExp(
          `a second accelerator runs for ${pod!.path}: mb_connect4 .* at ${top!.path}, held by .*${other.process.pid}`,
        ),
      );
    }
    await other.end('SIGKILL');
    if (more.pinDirectory !== undefined) await detachAll({ pinDirectory: more.pinDirectory });
    assert.deepEqual(mesh.check({ cgroups: [pod!.path] }), []);
  }
  await mesh.close();
});

test('check tells of a second one below, where pods are that it runs for', async () => {
  await using mesh = await MeshAccelerator.start(at(top, place.options));
  using object = OpenBpfObject.openFile(objectPath('merbridge')).load();
  const link = pod!.attach(object.program('mb_connect4'));
  assert.deepEqual(mesh.check({ cgroups: [sibling!.path] }), []);
  const problems = mesh.check({ cgroups: [sibling!.path, pod!.path] });
  const told = problems.map(({ kind, cgroup, holder }) => [kind, cgroup, holder?.cgroup, holder?.pid]);
  assert.deepEqual(told, [['second accelerator', pod!.path, pod!.path, process.pid]]);
  link.close();
  assert.deepEqual(mesh.check({ cgroups: [sibling!.path, pod!.path] }), []);
  await mesh.close();
  await detachAll({ pinDirectory: place.options.pinDirectory });
});

test('diagnose names those at the cgroup, above and below; two for the same pods are a problem, two beside each other are none', async () => {
  await using mesh = await MeshAccelerator.start(at(pod));
  const beside = await Agent.start(at(sibling, { pinDirectory: place.options.pinDirectory }));
  const look = async (
    cgroup: Cgroup | undefined,
  ): Promise<{ ok: boolean; problems: readonly string[]; accelerators: AttachmentHolder[] }> => {
    const { ok, problems, accelerators } = await diagnose({ cgroup: cgroup!.path });
    assert.ok(!('unknown' in accelerators));
    return { ok, problems, accelerators: [...accelerators] };
  };
  const { ok, accelerators } = await look(top);
  assert.equal(ok, true);
  assert.deepEqual(accelerators.map(each => [each.cgroup, each.pid, each.pinDirectory, each.name]).sort(), [
    [pod!.path, process.pid, undefined, 'mb_connect4'],
    [sibling!.path, beside.process.pid, place.options.pinDirectory, 'mb_connect4'],
  ]);
  await beside.end('SIGKILL');
  await detachAll({ pinDirectory: place.options.pinDirectory });
  const above = await Agent.start(at(top), buildCommit(WITHOUT_LOOK_BELOW));
  for (const cgroup of [top, pod]) {
    const { ok: works, problems } = await look(cgroup);
    assert.equal(works, false);
    assert.match(
      problems.join(),
      new RegExp(`accelerators redirect the same connections: .*at ${pod!.path}, held by process ${process.pid}`),
    );
    assert.match(problems.join(), new RegExp(`at ${top!.path}, held by process ${above.process.pid}`));
  }
  assert.deepEqual((await look(sibling)).problems, []);
  await above.end('SIGKILL');
  await mesh.close();
});

const CAPABILITIES = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'];
const SCRIPT = `
  require(${JSON.stringify(ROOT)}).MeshAccelerator.start(JSON.parse(process.argv[1])).then(mesh => {
    process.on('SIGTERM', () => mesh.close());
    console.log('started');
  }, ({ code, message, holders }) => console.log(JSON.stringify({ code, message, holders })));`;
const as = (options: object): [string, string[]] => [
  'setpriv',
  [...unprivileged(CAPABILITIES, [ROOT, process.execPath]), process.execPath, '-e', SCRIPT, JSON.stringify(options)],
];

for (const pins of [true, false]) {
  test(
    `without CAP_SYS_ADMIN, which hides names, ${pins ? 'pins' : 'processes'} of the same user are recognized`,
    { timeout: 240_000 },
    async () => {
      chmodSync(place.bpffs.path, 0o755);
      const pinDirectory = place.bpffs.directory('other');
      mkdirSync(pinDirectory, { mode: 0o700 });
      chownSync(pinDirectory, NOBODY_SPECIAL, NOBODY_SPECIAL);
      const [command, args] = as(at(top, pins ? { pinDirectory } : {}));
      const first = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        const [line] = (await once(createInterface({ input: first.stdout }), 'line')) as [string];
        assert.equal(line, 'started');
        const { stdout, stderr } = spawnSync(...as(at(pod)), { encoding: 'utf8', timeout: 120_000 });
        assert.equal(stderr, '');
        const {
          code,
          message,
          holders: [holder],
        } = JSON.parse(stdout) as { code: string; message: string; holders: [AttachmentHolder] };
        assert.equal(code, 'ERR_BPF_ALREADY_ATTACHED', message);
        assert.deepEqual(
          [holder.name, holder.cgroup, holder.pid, holder.pinDirectory],
          ['', top!.path, first.pid, pins ? pinDirectory : undefined],
        );
        assert.deepEqual(pod!.programs({ attachType: 'cgroup/connect4' }), []);
      } finally {
        const ended = once(first, 'exit');
        first.kill('SIGTERM');
        await ended;
      }
      detachAllAs(pinDirectory);
    },
  );
}

/** The directory belongs to the other user, who removes what is in it. */
function detachAllAs(pinDirectory: string): void {
  const code = `require(${JSON.stringify(ROOT)}).detachAll({ pinDirectory: process.argv[1] })`;
  const flags = unprivileged(CAPABILITIES, [ROOT, process.execPath]);
  const { stderr, status } = spawnSync('setpriv', [...flags, process.execPath, '-e', code, pinDirectory], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
}
