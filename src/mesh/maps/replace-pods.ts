import { MapFullError } from '../../errors';
import { canonicalAddress, type PodOptions } from '../../policy';
import type { LocalPodIps } from './local-pod-ips';

/**
 * Enrols exactly these pods. Those that were enrolled and stay are so at every moment.
 *
 * @internal
 * @param enrolled - the map
 * @param wanted - the pods
 * @param mayHaveOthers - whether the map may hold pods already
 */
export function replacePods(
  enrolled: LocalPodIps,
  wanted: Iterable<string | readonly [address: string, options: PodOptions]>,
  mayHaveOthers: boolean,
): void {
  const pods = [...wanted];
  if (!mayHaveOthers) {
    enrolled.setMany(pods);
    return;
  }
  const addresses = new Set(pods.map(pod => canonicalAddress(typeof pod === 'string' ? pod : pod[0])));
  const dropOthers = (): void => {
    enrolled.deleteMany([...enrolled.keys()].filter(address => !addresses.has(address)));
  };
  try {
    enrolled.setMany(pods);
  } catch (error) {
    // The others may be in the way; what is not there at all does not fit anyhow.
    if (!(error instanceof MapFullError) || addresses.size > enrolled.maxEntries) throw error;
    dropOthers();
    enrolled.setMany(pods);
  }
  dropOthers();
}
