/**
 * What a test starts ends with it, however it ends, and what it made goes: at once where it can still act, with the
 * next sweep after SIGKILL.
 */
// Alone: a sweep of another file would take what it leaves for its own.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, test } from 'node:test';
import { diagnose, type DetachedItem } from 'merbridge';
import { Bed } from '../../bed';
import { TYPESCRIPT, spawn } from '../../bed/children';
import { allProcesses, startTime } from '../../bed/processes';
import { until } from '../../bed/shell';
import type { Doomed } from '../../fixtures/doomed';
import { assertNotInKernel } from '../../fixtures/pin-place';
import { ROOT, scratch } from '../../fixtures/support';

after(() => Bed.sweep());

/** Process ids with their start times. */
type Processes = ReadonlyMap<number, string>;

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0; // it has ended
  }
}

/** All that a process started, and that those started. */
function descendants(of: number): Processes {
  const parents = new Map(allProcesses().map(pid => [pid, parentOf(pid)]));
  const isBelow = (pid: number): boolean => pid > 1 && (pid === of || isBelow(parents.get(pid) ?? 0));
  return new Map(
    [...parents.keys()].filter(isBelow).flatMap(pid => {
      const started = startTime(pid);
      return started === undefined ? [] : [[pid, started] as const];
    }),
  );
}

function alive(processes: Processes): string[] {
  return [...processes]
    .filter(([pid, started]) => startTime(pid) === started)
    .map(([pid]) => `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').slice(0, 120)}`);
}

let subnet = 180;

/** Starts a process in a group of its own that makes all that doomed.ts makes. `argv` starts Node.js with it. */
async function start(
  argv: (file: string) => readonly string[],
): Promise<{ made: Doomed; top: number; ended: Promise<unknown> }> {
  const report = join(scratch(), `report-${++subnet}`);
  const code = `require(${JSON.stringify(join(ROOT, 'test/fixtures/doomed.ts'))}).doom(${subnet})
    .then(made => require('fs').writeFileSync(${JSON.stringify(report)}, JSON.stringify(made)))`;
  const file = join(scratch(), `${subnet}.test.cjs`);
  writeFileSync(file, `require('node:test').test('doomed', () => ${code}.then(() => new Promise(() => {})));`);
  const [command, ...args] = argv(file).map(each => (each === 'CODE' ? code : each));
  // As if no test had started it: a runner below another one runs no file.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(command!, args, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  createInterface({ input: child.stderr }).on('line', line => {
    errors += `${line}\n`;
  });
  const ended = new Promise(resolve => child.once('exit', resolve));
  const text = await until(
    'what the doomed process made',
    () => {
      if (child.exitCode !== null) throw new Error(`it ended (${child.exitCode}): ${errors}`);
      return existsSync(report) && readFileSync(report, 'utf8');
    },
    undefined,
    () => errors,
  );
  return { made: JSON.parse(text) as Doomed, top: child.pid!, ended };
}

/** What is there is what it made; its links are in the kernel. */
async function standing({ mesh, paths }: Doomed): Promise<DetachedItem[]> {
  for (const path of paths) assert.ok(existsSync(path), path);
  const { pins } = await diagnose(mesh);
  assert.ok(pins && !('unknown' in pins) && pins.links.length === 7, JSON.stringify(pins));
  return pins.links.map(({ id, name }) => ({ kind: 'link', id, name, path: '' }));
}

/** All of its processes end, however long a busy machine takes. */
async function assertEnd(processes: Processes, least: number): Promise<number> {
  assert.ok(processes.size >= least, `only ${processes.size} processes`);
  const since = performance.now();
  await until(
    'the end of all processes',
    () => alive(processes).length === 0,
    undefined,
    () => `\n${alive(processes).join('\n')}`,
  );
  return Math.round(performance.now() - since);
}

async function assertNothingIsLeft({ bed, paths }: Doomed, links: readonly DetachedItem[]): Promise<void> {
  for (const path of paths) assert.ok(!existsSync(path), path);
  assert.ok(
    !readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .some(line => paths.some(path => line.split(' ')[1]?.startsWith(path)) || line.includes(`mb-${bed}`)),
  );
  await assertNotInKernel(links, 'links');
}

describe('children end with their parent', () => {
  test('by SIGKILL to the parent; the next sweep leaves no cgroup, namespace, mount, pin or file', async t => {
    const { made, top, ended } = await start(() => [process.execPath, ...TYPESCRIPT, '-e', 'CODE']);
    const links = await standing(made);
    const processes = descendants(top);
    process.kill(top, 'SIGKILL');
    await ended;
    t.diagnostic(`${processes.size} processes were gone after ${await assertEnd(processes, 9)} ms`);
    for (const path of made.paths) assert.ok(existsSync(path), `${path} should need the sweep`);
    const swept = Bed.sweep();
    for (const path of made.paths)
      assert.ok(
        swept.some(what => what.includes(path) || path.includes(made.bed)),
        `${path} is not in ${swept.join(', ')}`,
      );
    await assertNothingIsLeft(made, links);
    assert.deepEqual(
      Bed.sweep().filter(what => made.paths.some(path => what.includes(path))),
      [],
    );
  });

  test('by SIGINT to the process group, as by Ctrl-C, which needs no sweep', async t => {
    const { made, top, ended } = await start(() => [process.execPath, ...TYPESCRIPT, '-e', 'CODE']);
    const links = await standing(made);
    const processes = descendants(top);
    process.kill(-top, 'SIGINT');
    await ended;
    t.diagnostic(`${processes.size} processes were gone after ${await assertEnd(processes, 9)} ms`);
    await assertNothingIsLeft(made, links);
  });

  test('by SIGKILL to the runner of the test file', async t => {
    const { made, top, ended } = await start(file => [
      process.execPath,
      ...TYPESCRIPT,
      '-r',
      './test/fixtures/with-runner.cjs',
      '--test',
      file,
    ]);
    const links = await standing(made);
    const processes = descendants(top);
    assert.ok(processes.has(made.pid) && made.pid !== top);
    process.kill(top, 'SIGKILL');
    await ended;
    t.diagnostic(`${processes.size} processes were gone after ${await assertEnd(processes, 10)} ms`);
    Bed.sweep();
    await assertNothingIsLeft(made, links);
  });
});
