/**
 * The directory for pins: nothing is changed before all is looked at and found ours, and what somebody else made keeps
 * its mode.
 */
import assert from 'node:assert/strict';
import { execFileSync } from '../../bed/children';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { MeshAccelerator, PinnedMesh, detachAll, diagnose, type MeshAcceleratorOptions, type Unknown } from 'merbridge';
import { PinPlace } from '../../fixtures/pin-place';
import { NOBODY_SPECIAL } from '../../fixtures/unprivileged';

let place: PinPlace;
let pinDirectory: string;
beforeEach(() => {
  place = new PinPlace();
  ({ pinDirectory } = place.options);
});
afterEach(() => place[Symbol.dispose]());

/** One that stands although it was to be refused must not keep the process of the test alive. */
const start = async (options: Partial<MeshAcceleratorOptions> = {}): Promise<MeshAccelerator> =>
  (await MeshAccelerator.start({ ...place.options, ...options })).unref();

const mode = (path: string): number => statSync(path).mode & 0o7777;

/** Mode, owner and content of a directory and all below it. */
const state = (path: string): unknown[] =>
  readdirSync(path, { withFileTypes: true }).reduce<unknown[]>(
    (all, entry) => [...all, entry.name, ...(entry.isDirectory() ? state(join(path, entry.name)) : [])],
    [path, mode(path), statSync(path).uid, statSync(path).gid],
  );

/** Each way into a pin directory is refused, and changes nothing of it. */
async function refusedUnchanged(path: string, message: RegExp): Promise<void> {
  const [before, attached] = [state(place.bpffs.path), place.attached()];
  for (const [what, body] of Object.entries({
    start: () => start({ pinDirectory: path }),
    detachAll: () => detachAll({ pinDirectory: path }),
    'detachAll, forced': () => detachAll({ pinDirectory: path, force: true }),
    open: () => Promise.resolve().then(() => PinnedMesh.open(path)),
  })) {
    await assert.rejects(body, (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_BPF_FOREIGN_PIN', `${what}: ${error.message}`);
      assert.match(error.message, message, what);
      return true;
    });
    assert.deepEqual(state(place.bpffs.path), before, what);
    assert.deepEqual(place.attached(), attached, what);
  }
  const { pins } = await diagnose({ cgroup: place.cgroup.path, pinDirectory: path });
  assert.match((pins as Unknown).unknown, message);
  assert.deepEqual(state(place.bpffs.path), before, 'diagnose');
}

test('the root of a BPF file system is refused, told what to name instead, and left as it is', async () => {
  assert.equal(mode(place.bpffs.path), 0o1777);
  for (const path of [place.bpffs.path, `${place.bpffs.path}/`, join(place.bpffs.path, '/.')])
    await refusedUnchanged(
      path,
      new RegExp(`the root of a BPF file system.*name a directory below it, such as ${place.bpffs.path}/merbridge`),
    );
  mkdirSync(join(place.bpffs.path, 'theirs'));
  await refusedUnchanged(place.bpffs.path, /the root/);
});

test('a directory that is not ours is refused with the mode that it had: of another user, writable by others, with something foreign', async () => {
  mkdirSync(pinDirectory);
  chownSync(pinDirectory, NOBODY_SPECIAL, NOBODY_SPECIAL);
  chmodSync(pinDirectory, 0o755);
  await refusedUnchanged(pinDirectory, new RegExp(`a directory of user ${NOBODY_SPECIAL}`));
  chownSync(pinDirectory, 0, 0);
  for (const [bits, shown] of [
    [0o777, '0777'],
    [0o1777, '1777'],
    [0o720, '0720'],
  ] as const) {
    chmodSync(pinDirectory, bits);
    await refusedUnchanged(pinDirectory, new RegExp(`mode ${shown}.*chmod go-w ${pinDirectory}`));
  }
  chmodSync(pinDirectory, 0o755);
  mkdirSync(join(pinDirectory, 'theirs'));
  await refusedUnchanged(pinDirectory, /theirs: a directory that this library did not make/);
});

test('a symbolic link is refused, whatever is written behind it', async () => {
  mkdirSync(place.bpffs.directory('elsewhere'), { mode: 0o755 });
  symlinkSync(place.bpffs.directory('elsewhere'), pinDirectory);
  for (const path of [pinDirectory, `${pinDirectory}/`, `${pinDirectory}/.`])
    await refusedUnchanged(path, /a symbolic link/);
});

test('within a layout too, a directory of another user or one that others may write to is refused, and nothing is changed', async () => {
  await (await start()).close();
  for (const part of ['v1', 'v1/links', 'v1/sets', 'v1/sets/1', 'v1/sets/1/maps', 'v1/sets/1/programs']) {
    const path = join(pinDirectory, part);
    chmodSync(path, 0o777);
    await refusedUnchanged(pinDirectory, new RegExp(`${path}: a directory with mode 0777`));
    chmodSync(path, 0o700);
    chownSync(path, NOBODY_SPECIAL, 0);
    await refusedUnchanged(pinDirectory, new RegExp(`${path}: a directory of user ${NOBODY_SPECIAL}`));
    chownSync(path, 0, 0);
  }
});

test('an empty directory that somebody made keeps its mode, through a start that fails, one that stands, and a removal', async () => {
  mkdirSync(pinDirectory);
  chmodSync(pinDirectory, 0o755);
  await assert.rejects(start({ maxPods: 1, pods: ['10.0.0.1', '10.0.0.2'] }), { code: 'ERR_BPF_MAP_FULL' });
  assert.deepEqual(readdirSync(pinDirectory), []);
  assert.equal(mode(pinDirectory), 0o755);
  await (await start()).close();
  assert.equal(mode(pinDirectory), 0o755);
  assert.equal(mode(join(pinDirectory, 'v1')), 0o700);
  await detachAll({ pinDirectory });
  assert.deepEqual(readdirSync(pinDirectory), []);
  assert.equal(mode(pinDirectory), 0o755);
});

test('a pin directory that is a mount of its own, as a container has it, works and stays', async () => {
  const host = place.bpffs.directory('host');
  mkdirSync(host, { mode: 0o700 });
  const mounted = mkdtempSync(join(tmpdir(), 'merbridge-mounted-'));
  execFileSync('mount', ['--bind', host, mounted]);
  try {
    await (await start({ pinDirectory: mounted })).close();
    await (await start({ pinDirectory: mounted })).close();
    assert.ok((await detachAll({ pinDirectory: mounted })).length > 0);
    assert.deepEqual(readdirSync(host), []);
  } finally {
    execFileSync('umount', [mounted]);
    rmdirSync(mounted);
  }
});

test('a path that is not absolute is a TypeError on each way in', async () => {
  await assert.rejects(start({ pinDirectory: '' }), TypeError);
  await assert.rejects(detachAll({ pinDirectory: 'mesh' }), TypeError);
  await assert.rejects(diagnose({ pinDirectory: 'mesh' }), TypeError);
  assert.throws(() => PinnedMesh.open('mesh'), TypeError);
});
