/**
 * Cgroups of one name in every hierarchy of this machine: what is the root of all cgroups for the node. Its kubelet and
 * runtime make theirs below it, as they would below `/`.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeCgroup } from '../bed/cgroup';
import { removeUntilGone } from '../bed/gone';
import { isDead } from '../bed/owned';
import { sh } from '../bed/shell';

/** A hierarchy that is mounted. On a hybrid machine there are several of v1, and one of cgroup2. */
export interface Hierarchy {
  readonly mount: string;
  readonly type: 'cgroup' | 'cgroup2';
  /** Options for another mount of it: its controllers or its name. */
  readonly options: string;
  /** The cgroup below which new ones are made, a path in the file system. */
  readonly parent: string;
}

/** All of them, by findmnt(8) and cgroups(7). */
export function hierarchies(): Hierarchy[] {
  const own = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n');
  const columns = ['--output', 'TARGET,FSTYPE,FS-OPTIONS'];
  const { filesystems } = JSON.parse(sh('findmnt', ['--json', '--list', '--types', 'cgroup,cgroup2', ...columns])) as {
    filesystems: { target: string; fstype: Hierarchy['type']; 'fs-options': string }[];
  };
  return filesystems.flatMap(({ target: mount, fstype: type, 'fs-options': text }): Hierarchy[] => {
    if (type === 'cgroup2') return [{ mount, type, options: '', parent: mount }];
    const given = text.split(',');
    const [, options = '', path = ''] =
      own
        .map(entry => entry.split(':'))
        .find(([, names = '']) => names !== '' && names.split(',').every(name => given.includes(name))) ?? [];
    // Below this process's own, so that a limit there holds for the node, too. cgroup2 wants no process in between.
    return options === '' ? [] : [{ mount, type, options, parent: join(mount, path) }];
  });
}

/** Makes a cgroup of this name in each, and returns their paths. */
export function createCgroups(name: string): string[] {
  return hierarchies().map(({ parent }) => {
    const path = join(parent, name);
    mkdirSync(path);
    // cpuset of v1: empty in a new cgroup, and then no process may enter.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (existsSync(join(path, 'cpuset.memory_migrate')))
        writeFileSync(join(path, file), readFileSync(join(parent, file), 'utf8'));
    }
    return path;
  });
}

/** Kills what is in them, by the one of cgroup2, and removes them; returns their paths. */
export function removeCgroups(isTheirs: (name: string) => boolean): string[] {
  const paths = hierarchies()
    .sort((a, b) => (a.type < b.type ? 1 : -1))
    .flatMap(({ type, parent }) =>
      readdirSync(parent)
        .filter(isTheirs)
        .map(name => ({ type, path: join(parent, name) })),
    );
  for (const { type, path } of paths) (type === 'cgroup2' ? removeCgroup : removeTree)(path);
  return paths.map(({ path }) => path);
}

/** Those of earlier runs that were killed. */
export function sweepCgroups(): string[] {
  return removeCgroups(name => name.startsWith('merbridge-node-') && isDead(name));
}

/** v1 counts a process until it is reaped. */
function removeTree(path: string): void {
  removeUntilGone(path, () => {
    for (const entry of readdirSync(path, { withFileTypes: true }))
      if (entry.isDirectory()) removeTree(join(path, entry.name));
    rmdirSync(path);
  });
}
