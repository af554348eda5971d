import { closeSync, constants, mkdirSync, openSync, readFileSync, readdirSync, rmdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { removeUntilGone } from './gone';

/** Where cgroup v2 is mounted: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` on a hybrid system. */
export function cgroup2Mount(): string {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [, path, type] = line.split(' ');
    if (type === 'cgroup2' && path) return path;
  }
  throw new Error('cgroup v2 is not mounted: try mount -t cgroup2 none /sys/fs/cgroup/unified');
}

export function createCgroup(path: string): string {
  mkdirSync(path);
  return path;
}

/** The ids of all processes in a cgroup and below it; none in what is being removed. */
export function cgroupProcesses(path: string): number[] {
  try {
    const own = readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
    return [...own, ...childCgroups(path).flatMap(cgroupProcesses)];
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ENODEV'].includes(code)) return []; // ENODEV: it went after it was opened
    throw error;
  }
}

/** CPU time of everything that ran in a cgroup or below it, in microseconds, with what the kernel did on its behalf. */
export function cgroupCpuTime(path: string): number {
  return Number(/^usage_usec (\d+)$/m.exec(readFileSync(join(path, 'cpu.stat'), 'utf8'))?.[1] ?? NaN);
}

/**
 * Kills what runs in a cgroup, waits for it to be gone, removes the cgroup and all below it.
 *
 * `cgroup.kill` (Linux 5.14) reaches every descendant at once, however it forked: no list of process ids can race it. A
 * process that is just being started enters the cgroup later; so it is done again while there is one.
 */
export function removeCgroup(path: string): void {
  removeUntilGone(path, () => {
    killAll(path);
    removeTree(path); // EBUSY while a process is ending
  });
}

/** The file is not created: in a cgroup that is being removed, that would be refused instead of ENOENT. */
function killAll(path: string): void {
  const fd = openSync(join(path, 'cgroup.kill'), constants.O_WRONLY);
  try {
    writeSync(fd, '1');
  } finally {
    closeSync(fd);
  }
}

function removeTree(path: string): void {
  for (const child of childCgroups(path)) removeTree(child);
  rmdirSync(path);
}

function childCgroups(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter(e => e.isDirectory())
    .map(e => join(path, e.name));
}
