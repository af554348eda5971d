import type { Acceleration } from 'merbridge';
import type { Ground, GroundOptions } from './ground';
import { type Tally } from './tally';
import { Traffic } from './traffic';

/** How much of everything. */
export interface Measure {
  /** Streams of a case, × what is written there. */
  readonly scale: number;
  /** How long a case lasts that disturbs. */
  readonly seconds: number;
  readonly downloadBytes: number;
  readonly limitMs: number;
}

/** A case: some traffic over a ground, at times with something happening to it. */
type Case = (traffic: Traffic, measure: Measure, random: () => number) => Promise<void>;

const delay = (milliseconds: number): Promise<void> => new Promise(done => setTimeout(done, milliseconds));

/** Streams of one family, so many at scale 1. */
const streams =
  (family: string, count: number, parallel: number): Case =>
  (traffic, { scale }) =>
    traffic.run({ family, parallel, count: Math.ceil(count * scale) });

/** The same with readers of every kind. */
const readers =
  (family: 'readers' | 'lifetime' | 'blocking', count: number, parallel: number): Case =>
  async (traffic, { scale }) => {
    await traffic.runReaders({ family, parallel, count: Math.ceil(count * scale) });
  };

/** Clients that are killed with their streams open. Their streams may end at any moment, but they must end. */
const dying: Case = async (traffic, { seconds }) => {
  for (let round = 0; round < Math.max(1, seconds / 2); round++)
    await traffic.run({ family: 'dying', parallel: 40, first: round * 1e6, doomed: true, dieAfterMs: 600 });
};

/** Sidecars that read the requests themselves, and send them on over connections that they keep. */
const proxied: Case = async (traffic, { scale }) => {
  await traffic.ground.use('http');
  await traffic.run({ family: 'pipeline', parallel: 16, count: Math.ceil(150 * scale) });
  await traffic.ground.use('tcp');
};

/**
 * Sidecars that are killed and replaced under load. Streams may die with them; those that begin afterwards are as good
 * as any.
 */
const restarted: Case = async (traffic, { seconds, scale }, random) => {
  const load = Promise.all([
    traffic.run({ family: 'short', parallel: 6, seconds, doomed: true }),
    traffic.run({ family: 'mixed', parallel: 12, seconds, doomed: true }),
  ]);
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    await delay(100 + random() * 300);
    await traffic.ground.restartSidecar(random() < 0.5 ? 0 : 1);
  }
  await load;
  await traffic.run({ family: 'short', parallel: 16, first: 1e6, count: Math.ceil(300 * scale) });
  await traffic.run({ family: 'mixed', parallel: 16, first: 1e6, count: Math.ceil(50 * scale) });
};

/** The accelerator switched between scopes, closed and started again, under load. No stream may be the worse for it. */
const switched: Case = async (traffic, { seconds }, random) => {
  const { ground } = traffic;
  const scopes: readonly Acceleration[] = ['off', 'proxies', 'full'];
  const load = Promise.all([
    traffic.run({ family: 'short', parallel: 6, seconds }),
    traffic.run({ family: 'mixed', parallel: 12, seconds }),
  ]);
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    for (let change = 0; change < 20; change++) {
      ground.mesh!.acceleration = scopes[Math.floor(random() * scopes.length)]!;
      await delay(random() * 30);
    }
    await ground.mesh!.close();
    await delay(random() * 50);
    await ground.enter();
  }
  await load;
};

/** All cases, in the order in which they run. */
export const CASES = {
  short: streams('short', 1500, 24),
  eager: streams('eager', 500, 24),
  mixed: streams('mixed', 250, 32),
  half: streams('half', 200, 16),
  abrupt: streams('abrupt', 250, 32),
  long: streams('long', 200, 200),
  tls: streams('tls', 100, 16),
  upgrade: streams('upgrade', 100, 16),
  pipeline: streams('pipeline', 150, 16),
  http2: streams('http2', 40, 8),
  readers: readers('readers', 200, 16),
  lifetime: readers('lifetime', 30, 8),
  blocking: readers('blocking', 400, 16),
  download: (traffic, { downloadBytes }) =>
    traffic.run({ family: 'download', parallel: 1, count: 1, bytes: downloadBytes }),
  dying,
  proxied,
  restarted,
  switched,
} satisfies Readonly<Record<string, Case>>;

export type CaseName = keyof typeof CASES;
/** Those in which something happens to all that there is. */
export const DISTURBING: readonly CaseName[] = ['proxied', 'restarted', 'switched'];
export const CASE_NAMES = Object.keys(CASES) as CaseName[];

/** Why a case does not run on a ground; undefined if it does. */
export function notHere(name: CaseName, { path, sidecar }: GroundOptions): string | undefined {
  if (name === 'proxied' && sidecar === 'envoy')
    return 'Envoy 1.40 closes a few pipelined connections between two answers, and does so under iptables';
  if (name === 'switched' && (path === 'iptables' || path === 'naive')) return 'there is no scope to switch';
  return undefined;
}

/**
 * Runs cases at the same time on one server; those that disturb go alone. The seed decides the streams' plans, and the
 * order of what happens to them; when it happens is the machine's.
 */
export async function runCases(
  names: readonly CaseName[],
  ground: Ground,
  seed: number,
  measure: Measure,
): Promise<Tally> {
  const traffic = await Traffic.start(ground, seed, measure.limitMs);
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  await Promise.all(names.map(name => CASES[name](traffic, measure, random)));
  return traffic.finish();
}
