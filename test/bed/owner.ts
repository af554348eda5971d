import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeUntilGone } from './gone';
import { startTime } from './processes';

const RUN = '/run';
const PREFIX = 'merbridge-bed-';
const RECORD = 'owner';

/**
 * A run's directory: configuration and logs of its sidecars, and the record of who owns the run.
 *
 * It is made first and removed last: whatever exists of a run, its owner can be looked up.
 */
export function runDirectory(id: string): string {
  return join(RUN, PREFIX + id);
}

export function recordOwner(id: string): string {
  const directory = runDirectory(id);
  mkdirSync(directory, { mode: 0o755 });
  writeFileSync(join(directory, RECORD), `${process.pid} ${identity(process.pid)}\n`);
  return directory;
}

/** The record goes last: a sweep that is killed leaves nothing without an owner. */
export function removeRunDirectory(id: string): void {
  const directory = runDirectory(id);
  removeUntilGone(directory, () => {
    for (const name of readdirSync(directory))
      if (name !== RECORD) rmSync(join(directory, name), { recursive: true, force: true });
    rmSync(directory, { recursive: true, force: true });
  });
}

/** Runs whose owner is dead. A run without a readable record is left alone: it may be seconds old, or not ours. */
export function deadRuns(): string[] {
  return readdirSync(RUN)
    .filter(name => name.startsWith(PREFIX))
    .map(name => name.slice(PREFIX.length))
    .filter(id => /^[0-9a-f]+$/.test(id) && ownerIsDead(id));
}

function ownerIsDead(id: string): boolean {
  const match = /^(\d+) (\S+)\n$/.exec(recordOf(id));
  return match !== null && identity(Number(match[1])) !== match[2];
}

/** Empty if there is none yet, or none any more. */
function recordOf(id: string): string {
  try {
    return readFileSync(join(runDirectory(id), RECORD), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** Start time and boot: start times count from the boot, and /run outlives one on some machines. */
function identity(pid: number): string {
  return `${startTime(pid)}@${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}`;
}
