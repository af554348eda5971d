import { existsSync, readFileSync, readdirSync, rmdirSync, statSync, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { cgroup2Mount, cgroupProcesses, removeCgroup } from './cgroup';
import { removeUntilGone } from './gone';
import { listNetns, netnsPath, removeNetns } from './netns';
import { removeRunDirectory, runDirectory } from './owner';
import { allProcesses, startTime } from './processes';

/** The names a run with this id gives to everything it makes. They are all that a sweep knows of a dead run. */
export function namesOf(id: string): { cgroup: string; cgroupPath: string; pinPath: string; netnsPrefix: string } {
  const cgroup = `merbridge-${id}`;
  return {
    cgroup,
    cgroupPath: join(cgroup2Mount(), cgroup),
    pinPath: `/sys/fs/bpf/${cgroup}`,
    netnsPrefix: `mb-${id}-`,
  };
}

/**
 * Removes everything that carries a run's id and says what it was.
 *
 * Goes by what is there, not by what was planned: so it serves a closed bed, a half-built one and a dead one alike. One
 * thing that cannot be removed does not keep the rest.
 */
export function removeRun(id: string): string[] {
  const { cgroupPath, netnsPrefix, pinPath } = namesOf(id);
  const directory = runDirectory(id);
  const removed: string[] = [];
  const failures: unknown[] = [];
  const step = (what: string, path: string, action: () => void): void => {
    if (!existsSync(path)) return;
    try {
      action();
      removed.push(what);
    } catch (error) {
      failures.push(error);
    }
  };
  const count = cgroupProcesses(cgroupPath).length;
  step(`cgroup ${cgroupPath} with ${count} process${count === 1 ? '' : 'es'}`, cgroupPath, () =>
    removeCgroup(cgroupPath),
  );
  for (const name of listNetns().filter(each => each.startsWith(netnsPrefix)))
    step(`network namespace ${name}`, netnsPath(name), () => removeNetns(name));
  for (const path of pinsOf(pinPath)) step(`pins ${path}`, path, () => removeUntilGone(path, () => removePins(path)));
  if (failures.length === 0) step(`directory ${directory}`, directory, () => removeRunDirectory(id));
  if (failures.length > 0) throw new AggregateError(failures, `run ${id} could not be removed: ${failures.join('; ')}`);
  return removed;
}

/** Everything in bpffs that begins with the run's name; nothing if bpffs is not mounted. */
function pinsOf(pinPath: string): string[] {
  const directory = dirname(pinPath);
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter(name => name.startsWith(basename(pinPath)))
    .map(name => join(directory, name));
}

/** bpffs answers readdir, unlink and rmdir, but nothing cleverer. */
function removePins(path: string): void {
  if (!statSync(path).isDirectory()) return unlinkSync(path);
  for (const name of readdirSync(path)) removePins(join(path, name));
  rmdirSync(path);
}

/** What is still there of a run: empty after a clean close. */
export function leftoversOf(id: string, spawned: ReadonlyMap<number, string>): string[] {
  const { cgroup, cgroupPath, netnsPrefix, pinPath } = namesOf(id);
  const found: string[] = [];
  if (existsSync(cgroupPath)) found.push(`cgroup ${cgroupPath}`);
  for (const name of listNetns()) if (name.startsWith(netnsPrefix)) found.push(`network namespace ${netnsPath(name)}`);
  for (const [pid, started] of spawned) if (startTime(pid) === started) found.push(`process ${pid}`);
  for (const pid of allProcesses()) if (inCgroup(pid, cgroup)) found.push(`process ${pid} in ${cgroup}`);
  for (const path of pinsOf(pinPath)) found.push(`pins ${path}`);
  if (existsSync(runDirectory(id))) found.push(`directory ${runDirectory(id)}`);
  return found;
}

function inCgroup(pid: number, cgroup: string): boolean {
  try {
    return (
      readFileSync(`/proc/${pid}/cgroup`, 'utf8')
        .split('\n')
        .some(l => l.startsWith(`0::/${cgroup}`)) && startTime(pid) !== undefined
    );
  } catch {
    return false;
  }
}
