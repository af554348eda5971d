import { readFileSync } from 'node:fs';
import type { Pod } from './pod';

/**
 * What a program on this machine could still get, in bytes: socket buffers and psock queues show here, RSS hides them.
 */
export function machineMemory(): number {
  const match = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'));
  if (!match) throw new Error('/proc/meminfo has no MemAvailable');
  return Number(match[1]) * 1024;
}

/** What the kernel keeps for all TCP sockets, psock queues included, in bytes. */
export function tcpMemory(): number {
  const match = /^TCP: .* mem (\d+)$/m.exec(readFileSync('/proc/net/sockstat', 'utf8'));
  if (!match) throw new Error('/proc/net/sockstat has no memory of TCP');
  return Number(match[1]) * 4096;
}

/**
 * What the kernel keeps for the TCP sockets of some pods, in bytes: what was received and not read, what was sent and
 * not acknowledged, and what is kept in advance for each. Unlike {@link tcpMemory} nothing else on the machine is in
 * it.
 *
 * Some kernels charge what a program redirected to no socket, as Linux 5.10 does: there this is too low, see
 * `mesh.backlogAccount`.
 *
 * @see ss(8), `skmem`
 */
export function socketMemory(pods: readonly Pod[]): number {
  let sum = 0;
  for (const pod of pods)
    for (const [, received, reserved, queued] of pod.admin('ss', ['-tmnaH']).matchAll(SKMEM))
      // What is reserved may be less than nothing, which ss prints as an unsigned number.
      sum += Number(received) + (Number(reserved) | 0) + Number(queued);
  return sum;
}

const SKMEM = /skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+),/g;

/** What samples of a quantity showed. */
export interface Sampled {
  readonly first: number;
  readonly min: number;
  readonly max: number;
  readonly last: number;
  readonly count: number;
}

/** Running samples of a quantity. */
export interface Sampling {
  /** Takes one more and returns what was seen so far. */
  seen(): Sampled;
  /** Ends the sampling and returns what was seen. */
  stop(): Sampled;
}

/** Samples a quantity at an interval, the first time at once: `sample(machineMemory)`. */
export function sample(measure: () => number, everyMs = 20): Sampling {
  const first = measure();
  let [min, max, last, count] = [first, first, first, 1];
  const take = (): void => {
    last = measure();
    min = Math.min(min, last);
    max = Math.max(max, last);
    count++;
  };
  const timer = setInterval(take, everyMs);
  const seen = (): Sampled => {
    take();
    return { first, min, max, last, count };
  };
  return {
    seen,
    stop() {
      clearInterval(timer);
      return seen();
    },
  };
}

/** How much memory the whole machine lost at the worst moment of an action, in bytes. */
export async function memoryCost<T>(action: () => Promise<T>): Promise<{ readonly bytes: number; readonly result: T }> {
  const sampling = sample(machineMemory);
  try {
    const result = await action();
    const seen = sampling.stop();
    return { bytes: seen.first - seen.min, result };
  } catch (error) {
    sampling.stop();
    throw error;
  }
}
