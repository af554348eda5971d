import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Cgroup } from '../bpf';

/**
 * Walks a cgroup and its descendants, parents first. Cgroups that are removed meanwhile are left out.
 *
 * @param path - directory of the top cgroup
 */
export function* cgroupsBelow(path: string): Generator<string, void, undefined> {
  yield path;
  let names: string[];
  try {
    names = readdirSync(path, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return;
  }
  for (const name of names) yield* cgroupsBelow(join(path, name));
}

/**
 * Finds the path of a cgroup by its id.
 *
 * @param id - inode number of its directory
 * @returns the path. `undefined` if there is no such cgroup any more: a link may hold a cgroup that was removed
 */
export function cgroupPathOf(id: bigint): string | undefined {
  for (const path of cgroupsBelow(Cgroup.mountPoint()))
    if (statSync(path, { bigint: true, throwIfNoEntry: false })?.ino === id) return path;
  return undefined;
}

/**
 * Tells whether a cgroup itself has member processes.
 *
 * @param path - directory of the cgroup
 * @returns whether it has processes. False if the cgroup is gone or is threaded
 */
export function hasProcesses(path: string): boolean {
  try {
    return readFileSync(join(path, 'cgroup.procs'), 'latin1') !== '';
  } catch {
    return false; // the cgroup is gone, or it is threaded
  }
}
