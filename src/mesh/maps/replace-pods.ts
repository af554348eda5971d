import { MapFullError } from '../../errors';
import { canonicalAddress, type PodOptions } from '../../policy';
import type { LocalPodIps } from './local-pod-ips';

/**
 * Enrols exactly the given pods. A pod that was enrolled before and stays is enrolled at every moment.
 *
 * @internal
 * @param enrolled - the map
 * @param wanted - the pods
 * @param mayHaveOthers - whether the map may contain other pods
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
    // Other pods may take up the room. Deleting them does not help if the given pods alone exceed the map.
    if (!(error instanceof MapFullError) || addresses.size > enrolled.maxEntries) throw error;
    dropOthers();
    enrolled.setMany(pods);
  }
  dropOthers();
}
