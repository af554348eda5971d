/** Processes that sweep at the same time meet over everything that killed runs left, and none of them fails. */
// Alone: a sweep of another file would take some of it before.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { Bed } from '../../bed';
import { TYPESCRIPT, finished, spawn } from '../../bed/children';
import { ROOT } from '../../fixtures/support';

const ROUNDS = 4;
const SWEEPERS = 4;

after(() => Bed.sweep());

/** A killed run: beds with processes and pins; and without a bed, directories, mounts, cgroups and namespaces. */
const KILLED = `
  const { mkdirSync, readFileSync } = require('fs');
  const { join } = require('path');
  const { Bed } = require('./test/bed');
  const { sh } = require('./test/bed/shell');
  const { spawn } = require('./test/bed/children');
  const { ownedCgroupPath, ownedDirectory, ownedNetns } = require('./test/bed/owned');
  const hasBpffs = readFileSync('/proc/mounts', 'utf8').includes(' /sys/fs/bpf bpf ');
  const paths = [];
  for (let i = 0; i < 4; i++) {
    const bed = Bed.create({ subnet: 200 + i });
    for (const name of ['a', 'b']) {
      const pod = bed.pod(name);
      pod.spawn('sleep', ['1000'], { stdio: 'ignore' });
      pod.spawn('sleep', ['1000'], { stdio: 'ignore' });
      paths.push(pod.netnsPath);
    }
    paths.push(bed.directory, bed.cgroupPath);
    if (hasBpffs) {
      mkdirSync(join(bed.pinPath, 'maps', 'more'), { recursive: true });
      paths.push(bed.pinPath);
    }
  }
  for (let i = 0; i < 8; i++) {
    const directory = ownedDirectory('mounts');
    for (const name of ['.', 'in', 'in/side']) {
      mkdirSync(join(directory, name), { recursive: true });
      sh('mount', ['-t', name === 'in' ? 'tmpfs' : 'bpf', 'none', join(directory, name)]);
    }
    const plain = ownedDirectory('plain');
    for (let j = 0; j < 20; j++) mkdirSync(join(plain, String(j), 'below'), { recursive: true });
    const cgroup = ownedCgroupPath('swept');
    mkdirSync(join(cgroup, 'below', 'more'), { recursive: true });
    paths.push(directory, plain, cgroup, ownedNetns('swept'));
  }
  console.log(JSON.stringify(paths));
  setInterval(() => {}, 60_000);`;

/** Says that it is there, and sweeps as soon as it is told to. */
const SWEEPER = `
  const { Bed } = require('./test/bed');
  process.stdin.once('data', () => { Bed.sweep(); process.exit(); });
  console.log('ready');`;

function run(code: string) {
  const child = spawn(process.execPath, [...TYPESCRIPT, '-e', code], { cwd: ROOT, stdio: 'pipe' });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, end: finished(child), line: async () => (await lines.next()).value as string };
}

test('processes that sweep the same killed run at the same time all succeed', async () => {
  for (let round = 1; round <= ROUNDS; round++) {
    const killed = run(KILLED);
    const line = await killed.line();
    assert.ok(line, 'the run to be killed ended by itself');
    const paths = JSON.parse(line) as string[];
    for (const path of paths) assert.ok(existsSync(path), path);
    const sweepers = Array.from({ length: SWEEPERS }, () => run(SWEEPER));
    for (const sweeper of sweepers) assert.equal(await sweeper.line(), 'ready');
    killed.child.kill('SIGKILL');
    await killed.end;
    for (const { child } of sweepers) child.stdin.write('now\n');
    for (const { end } of sweepers) {
      const { code, stderr } = await end;
      assert.equal(code, 0, `round ${round}: ${stderr}`);
    }
    for (const path of paths) assert.ok(!existsSync(path), `round ${round}: ${path}`);
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    for (const path of paths)
      assert.deepEqual(
        mounts.filter(mount => mount.includes(path)),
        [],
      );
  }
});
