import { cgroupCpuTime, load } from '../../test/bed';
import type { TwoPods } from '../two-pods';
import { inAllWays, startSidecars } from './all-ways';
import type { Measurement } from './metric';
import type { CompareOptions } from './options';
import type { Round } from './round';

/** Length of each answer's body in bytes. */
export const BODY_BYTES = 1024;

/** Long enough for pools to fill and for a proxy to have touched its memory, although all ways warm up at one time. */
const WARM_UP_SECONDS = 1;

/** wrk over connections that stay, for each number of them in turn. */
export async function requests({ sidecar, connections, seconds }: CompareOptions, round: Round): Promise<void> {
  await inAllWays(round.ways, BODY_BYTES, async pods => {
    for (const way of round.ways) await startSidecars(way, pods[way], sidecar, 'http');
    await Promise.all(
      round.ways.map(way => load(pods[way].client, { url: pods[way].url, connections: 16, seconds: WARM_UP_SECONDS })),
    );
    for (const count of connections) {
      await round.point(`${count} connection${count === 1 ? '' : 's'}`, way => measure(pods[way], count, seconds));
    }
  });
}

async function measure({ bed, client, url }: TwoPods, connections: number, seconds: number): Promise<Measurement[]> {
  const before = cgroupCpuTime(bed.cgroupPath);
  const { qps, p50, p99, requests: answered, errors } = await load(client, { url, connections, seconds });
  const microseconds = cgroupCpuTime(bed.cgroupPath) - before;
  if (errors > 0 || answered === 0) throw new Error(`${answered} requests were answered, ${errors} were not`);
  return [
    { metric: 'qps', connections, value: qps },
    { metric: 'p50', connections, value: p50 },
    { metric: 'p99', connections, value: p99 },
    { metric: 'cpu', connections, value: microseconds / 1000 / answered },
  ];
}
