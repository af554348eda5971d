import { cpus } from 'node:os';
import { cgroupCpuTime, load, startSidecar } from '../../test/bed';
import type { TwoPods } from '../two-pods';
import { inAllWays } from './all-ways';
import type { Figure } from './figure';
import type { Way } from './modes';
import type { CompareOptions } from './options';
import type { Round } from './round';

/** Length of each answer's body in bytes. */
export const BODY_BYTES = 1024;

/** Long enough for pools to fill and for a JIT-less proxy to have touched all of its memory. */
const WARM_UP_SECONDS = 1;

/** wrk over connections that stay, for each number of them in turn. */
export async function requests({ sidecar, connections, seconds }: CompareOptions, round: Round): Promise<void> {
  await inAllWays(round.ways, BODY_BYTES, async pods => {
    await Promise.all(round.ways.map(async way => {
      const { client, server, url } = pods[way];
      if (way !== 'no mesh') await Promise.all([client, server].map(pod => startSidecar(pod, { kind: sidecar, log: false })));
      await load(client, { url, connections: 16, seconds: WARM_UP_SECONDS });
    }));
    for (const count of connections) {
      await round.point(`${count} connection${count === 1 ? '' : 's'}`, way => measure(way, pods[way], count, seconds));
    }
  });
}

async function measure(way: Way, { bed, client, url }: TwoPods, connections: number, seconds: number): Promise<Figure[]> {
  const [before, was] = [cgroupCpuTime(bed.cgroupPath), cpuTimes()];
  const { qps, p50, p99, requests: answered, errors } = await load(client, { url, connections, seconds });
  const [after, is] = [cgroupCpuTime(bed.cgroupPath), cpuTimes()];
  if (errors > 0) throw new Error(`${way}, ${connections} connections: ${errors} requests were not answered`);
  return [
    { metric: 'qps', connections, value: qps },
    { metric: 'p50', connections, value: p50 },
    { metric: 'p99', connections, value: p99 },
    { metric: 'cpu', connections, value: (after - before) / 1000 / answered },
    { metric: 'idle', connections, value: (100 * (is.idle - was.idle)) / (is.all - was.all) },
  ];
}

/** Milliseconds that all CPUs of this machine were idle so far, and all of their time. */
function cpuTimes(): { readonly idle: number; readonly all: number } {
  const times = cpus().map(cpu => cpu.times);
  const sum = (of: (time: (typeof times)[number]) => number): number => times.reduce((total, time) => total + of(time), 0);
  return { idle: sum(({ idle }) => idle), all: sum(({ user, nice, sys, idle, irq }) => user + nice + sys + idle + irq) };
}
