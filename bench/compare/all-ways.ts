import { startSidecar, type SidecarKind } from '../../test/bed';
import { measureInTwoPods, type TwoPods } from '../two-pods';
import { enterBy, type Way } from './modes';

/** Pods of each way, all there at one time. */
export type AllPods = Readonly<Record<Way, TwoPods>>;

/**
 * Builds fresh pods for each way, runs something while all of them are there, and takes them away.
 *
 * A shared machine is three times as fast in one minute as in the next. So what is compared has to be measured within
 * seconds, and cannot wait for other pods to be built. Those that are not measured get no load meanwhile.
 *
 * @param ways - in the order in which they are built
 * @param body - length of each answer of the web servers in bytes
 */
export function inAllWays<T>(ways: readonly Way[], body: number, run: (pods: AllPods) => Promise<T>): Promise<T> {
  const build = ([way, ...rest]: readonly Way[], built: Partial<AllPods>): Promise<T> =>
    way === undefined
      ? run(built as AllPods)
      : measureInTwoPods(way, enterBy(way), body, pods => build(rest, { ...built, [way]: pods }));
  return build(ways, {});
}

/**
 * Starts both sidecars of a way that has them. Not those of all ways at one time: on one CPU they would take longer to
 * listen than they may.
 */
export async function startSidecars(
  way: Way,
  { client, server }: TwoPods,
  kind: SidecarKind,
  mode: 'http' | 'tcp',
): Promise<void> {
  if (way !== 'no mesh') await Promise.all([client, server].map(pod => startSidecar(pod, { kind, mode, log: false })));
}
