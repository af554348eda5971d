import { cgroupCpuTime, load, startSidecar, type SidecarKind } from '../../test/bed';
import { measureInTwoPods } from '../two-pods';
import type { Figure } from './figure';
import { enterBy, type Way } from './modes';

/** Length of each answer's body in bytes. */
export const BODY_BYTES = 1024;

/** Long enough for pools to fill and for a JIT-less proxy to have touched all of its memory. */
const WARM_UP_SECONDS = 1;

/** wrk over connections that stay, for each number of them in turn, in fresh pods. */
export async function requests(way: Way, sidecar: SidecarKind, connections: readonly number[], seconds: number): Promise<Figure[]> {
  return measureInTwoPods(way, enterBy(way), BODY_BYTES, async ({ bed, client, server, url }) => {
    if (way !== 'no mesh') await Promise.all([client, server].map(pod => startSidecar(pod, { kind: sidecar, log: false })));
    await load(client, { url, connections: 16, seconds: WARM_UP_SECONDS });
    const figures: Figure[] = [];
    for (const count of connections) {
      const before = cgroupCpuTime(bed.cgroupPath);
      const { qps, p50, p99, requests: answered, errors } = await load(client, { url, connections: count, seconds });
      const microseconds = cgroupCpuTime(bed.cgroupPath) - before;
      if (errors > 0) throw new Error(`${way}, ${count} connections: ${errors} requests were not answered`);
      for (const [metric, value] of Object.entries({ qps, p50, p99, cpu: microseconds / 1000 / answered }) as [Figure['metric'], number][])
        figures.push({ metric, connections: count, value });
    }
    return figures;
  });
}
