/**
 * Names that say whose they are: of directories, mounts, cgroups and network namespaces that a killed process leaves,
 * and a later one finds.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { onAbnormalEnd } from './abnormal-end';
import { cgroup2Mount, removeCgroup } from './cgroup';
import { removeUntilGone } from './gone';
import { NETNS_DIRECTORY, netnsPath, removeNetns } from './netns';
import { startTime } from './processes';
import { sh } from './shell';

let count = 0;

/** A name that no other process gives, and that tells this one. */
export function ownedName(what: string): string {
  return `merbridge-${what}-${process.pid}.${startTime(process.pid)}.${count++}`;
}

/** The process of a name is dead. A pid is reused, a pid with its start time is not. */
export function isDead(name: string): boolean {
  const [, pid, started] = /^merbridge-[a-z-]+-(\d+)\.(\d+)\.\d+/.exec(name) ?? [];
  return pid !== undefined && startTime(Number(pid)) !== started;
}

/**
 * A directory for temporary files, mode 0700. It goes when it is removed, when this process ends, or when a sweep finds
 * that it was killed.
 */
export function ownedDirectory(what: string): string {
  const path = join(tmpdir(), ownedName(what));
  mkdirSync(path, { mode: 0o700 });
  onAbnormalEnd(() => removeDirectory(path));
  return path;
}

/** Path of a cgroup that is not made yet; likewise. Programs that are attached to it go with it. */
export function ownedCgroupPath(what: string): string {
  const path = join(cgroup2Mount(), ownedName(what));
  onAbnormalEnd(() => removeCgroup(path));
  return path;
}

/** A network namespace, by its path; likewise. */
export function ownedNetns(what: string): string {
  const name = ownedName(what);
  onAbnormalEnd(() => removeNetns(name));
  sh('ip', ['netns', 'add', name]);
  return netnsPath(name);
}

/** What is mounted at a path or below it, innermost first. */
function mountsBelow(path: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map(line => line.split(' ')[1] ?? '')
    .filter(at => at === path || at.startsWith(`${path}/`))
    .reverse();
}

/** Removes a directory with all that is mounted in it. What cannot be unmounted is not entered. */
function removeDirectory(path: string): void {
  removeUntilGone(path, () => {
    for (const at of mountsBelow(path)) sh('umount', ['-l', at]);
    if (mountsBelow(path).length === 0) rmSync(path, { recursive: true, force: true });
  });
}

/** Removes what processes left that were killed, and says what it was. */
export function sweepOwned(): string[] {
  const removed: string[] = [];
  const sweep = (directory: string, what: string, remove: (path: string) => void): void => {
    if (!existsSync(directory)) return;
    for (const name of readdirSync(directory).filter(isDead)) {
      const path = join(directory, name);
      remove(path);
      removed.push(`${what} ${path}`);
    }
  };
  sweep(cgroup2Mount(), 'cgroup', removeCgroup);
  sweep(tmpdir(), 'directory', removeDirectory);
  sweep(NETNS_DIRECTORY, 'network namespace', path => removeNetns(basename(path)));
  return removed;
}
