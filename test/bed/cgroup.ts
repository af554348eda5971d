import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleepSync } from './shell';

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

/** The ids of all processes in a cgroup and below it. */
export function cgroupProcesses(path: string): number[] {
  if (!existsSync(path)) return [];
  const own = readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  return [...own, ...childCgroups(path).flatMap(cgroupProcesses)];
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
  for (let waited = 0; existsSync(path); waited += 2) {
    writeFileSync(join(path, 'cgroup.kill'), '1');
    try {
      if (!populated(path) || waited >= 5000) return removeTree(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || waited >= 5000) throw error;
    }
    sleepSync(2);
  }
}

function populated(path: string): boolean {
  return readFileSync(join(path, 'cgroup.events'), 'utf8').includes('populated 1');
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
