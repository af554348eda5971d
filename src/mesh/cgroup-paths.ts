import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Cgroup } from '../bpf';

/** A cgroup and all below it, from the top. What goes away meanwhile is left out. */
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
 * Path of the cgroup with this inode number; `undefined` if there is none any more: a link may hold one that was
 * removed.
 */
export function cgroupPathOf(id: bigint): string | undefined {
  for (const path of cgroupsBelow(Cgroup.mountPoint()))
    if (statSync(path, { bigint: true, throwIfNoEntry: false })?.ino === id) return path;
  return undefined;
}

/** Whether processes are in a cgroup itself. */
export function hasProcesses(path: string): boolean {
  try {
    return readFileSync(join(path, 'cgroup.procs'), 'latin1') !== '';
  } catch {
    return false; // it is gone, or it holds threads only
  }
}
