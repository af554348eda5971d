import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { until } from './shell';

/**
 * When a process started, in clock ticks since boot; undefined once it is dead (a zombie is dead).
 *
 * Process ids are reused, the pair of id and start time is not.
 */
export function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // the name may hold spaces and brackets
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch (error) {
    // Any other error is not the end of the process: a sweep would take what is in use.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** All process ids of this machine, as /proc shows them. */
export function allProcesses(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number);
}

/** Whether a process lives in a network namespace, named as `readlink /proc/self/ns/net` names it. */
export function isInNetns(pid: number, link: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) === link;
  } catch {
    return false;
  }
}

/** Resident memory of a process in bytes; 0 if it is gone. */
export function processRss(pid: number): number {
  try {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return line ? Number(line[1]) * 1024 : 0;
  } catch {
    return 0;
  }
}

/** CPU time that a process has used so far, its threads included, in milliseconds. */
export function processCpuTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user! + system!) * 10; // clock ticks of 10 ms, see proc_pid_stat(5)
}

/** How often the threads of a process slept or were put to sleep. */
function switches(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap(thread => [...statusOf(pid, thread).matchAll(/ctxt_switches:\s+(\d+)$/gm)])
    .reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Empty if the thread has ended meanwhile. */
function statusOf(pid: number, thread: string): string {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
  } catch {
    return '';
  }
}

/** Waits until no thread of a process has run for a while. */
export async function settled(pid: number, quietMs: number): Promise<void> {
  await until(`nothing runs in process ${pid} for ${quietMs} ms`, async () => {
    const before = switches(pid);
    await setTimeout(quietMs);
    return switches(pid) === before;
  });
}
