import { once } from 'node:events';
import { BOUND, spawn } from '../bed/children';

/** What a process did in a while in which it had nothing to do. */
export interface Idle {
  /** How often one of its threads woke up. */
  readonly wakeUps: number;
  /** Those after which it read nothing and asked the kernel nothing before it slept again. */
  readonly idleWakeUps: number;
  /** What strace wrote. */
  readonly trace: string;
}

/** Calls in which a thread sleeps. A call that was told not to wait is none. */
const SLEEPS = /(epoll_p?wait2?|futex|poll|ppoll|nanosleep|clock_nanosleep|select|pselect6)\b/;
const WORKS = /\b(read|readv|recvfrom|recvmsg|accept4|bpf|sendto|sendmsg|writev)\(/;

/** Watches all threads of a process with strace for some seconds. */
export async function watchIdle(pid: number, seconds: number): Promise<Idle> {
  const tracer = spawn('timeout', ['--signal=INT', `${seconds}`, ...BOUND, 'strace', '-f', '-p', `${pid}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let trace = '';
  tracer.stderr.setEncoding('utf8').on('data', (text: string) => {
    trace += text;
  });
  await once(tracer, 'close');
  return { ...count(trace), trace };
}

/** @internal */
export function count(trace: string): { wakeUps: number; idleWakeUps: number } {
  if (!/attached/.test(trace)) throw new Error(`strace could not look at it: ${trace}`);
  let wakeUps = 0;
  let idleWakeUps = 0;
  /** Threads that woke up and have done nothing yet. */
  const awake = new Set<string>();
  for (const line of trace.split('\n')) {
    const [, thread = '', rest = ''] = /^(?:\[pid\s+(\d+)\] )?(.*)$/.exec(line) ?? [];
    if (WORKS.test(rest)) awake.delete(thread);
    if (!SLEEPS.test(rest)) continue;
    // The first line of each thread is the sleep that strace found it in: it has not ended.
    const ends = / = -?\d|resumed>/.test(rest) && !/unfinished|detached/.test(rest);
    const noWait = /epoll_p?wait2?\(\d+, .*, \d+, 0, (NULL|\[)/.test(rest);
    if (noWait || /FUTEX_WAKE/.test(rest)) continue;
    if (awake.delete(thread)) idleWakeUps++;
    if (!ends) continue;
    wakeUps++;
    awake.add(thread);
  }
  return { wakeUps, idleWakeUps: idleWakeUps + awake.size };
}
