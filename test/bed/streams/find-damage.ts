import type { SidecarKind } from '../sidecar';
import { Ground } from './ground';
import { Tally } from './tally';
import { Traffic } from './traffic';

/**
 * After so many rounds the naive program counts as unfound. Of 1,000 streams 5 to 20 are damaged; on an overloaded
 * machine one in 7,000 was.
 */
const MOST_ROUNDS = 100;
const STREAMS_A_ROUND = 1000;

/** Streams that find it: from Node, data right after connect, with more behind it; or readers of every kind. */
export const FINDERS = ['eager', 'readers'] as const;
export type Finder = (typeof FINDERS)[number];

/**
 * Sends streams over the naive program until it is found damaging, many at once. What is there before the other end is
 * known takes the stack, and what comes next overtakes it.
 */
export async function findDamage(finder: Finder, sidecar: SidecarKind, seed: number, subnet?: number): Promise<Tally> {
  await using ground = await Ground.open({ path: 'naive', sidecar, subnet });
  const found = new Tally();
  for (let round = 0; round < MOST_ROUNDS && found.bad.length === 0; round++) {
    // A short limit: a stream that has hung here is as damaged as any.
    const traffic = await Traffic.start(ground, seed + round, 5000);
    if (finder === 'eager')
      await traffic.run({ family: finder, parallel: 48, count: STREAMS_A_ROUND, untilDamage: true });
    else await traffic.runReaders({ family: finder, parallel: 16, count: STREAMS_A_ROUND, untilDamage: true });
    found.add(await traffic.finish());
  }
  return found;
}
