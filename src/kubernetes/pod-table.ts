import type { Pod } from '../mesh';
import type { PodOptions } from '../policy';

/** What a {@link PodController} writes: `localPodIps` of a `MeshAccelerator`, or anything that works like it. */
export interface PodTable {
  /** How a pod is treated; `undefined` if it is not enrolled. */
  get(address: string): Pod | undefined;
  /** Enrols a pod, or changes how it is treated. */
  set(address: string, options: PodOptions): unknown;
  /** The same for many. May throw when some are applied and others not. */
  setMany(pods: Iterable<readonly [address: string, options: PodOptions]>): void;
  /** Takes many pods out. */
  deleteMany(addresses: Iterable<string>): unknown;
  /** All pods that are enrolled. */
  entries(): Iterable<readonly [address: string, pod: Pod]>;
}
