import type { Pod } from '../../mesh';
import type { PodOptions } from '../../policy';

/**
 * The table that a {@link PodController} writes: `localPodIps` of a `MeshAccelerator`, or an object that works like it.
 */
export interface PodTable {
  /**
   * Looks up an address.
   *
   * @param address - address of the pod
   * @returns the options of the pod, or `undefined` if it is not enrolled
   */
  get(address: string): Pod | undefined;
  /**
   * Enrols a pod, or changes its options.
   *
   * @param address - address of the pod
   * @param options - how to treat the pod
   * @returns any value; it is ignored
   */
  set(address: string, options: PodOptions): unknown;
  /**
   * Enrols many pods, or changes their options. If it throws, some of them may have been applied.
   *
   * @param pods - pairs of address and options
   */
  setMany(pods: Iterable<readonly [address: string, options: PodOptions]>): void;
  /**
   * Removes many pods.
   *
   * @param addresses - addresses of the pods
   * @returns any value; it is ignored
   */
  deleteMany(addresses: Iterable<string>): unknown;
  /**
   * Iterates over all enrolled pods.
   *
   * @returns pairs of address and options
   */
  entries(): Iterable<readonly [address: string, pod: Pod]>;
}
