import { BpfLruHashMap } from '../../bpf';
import { u32 } from '../../codec';
import { mbProcess } from '../abi/structs';
import type { MapsByName } from './maps-by-name';

/** Which pod a process serves. */
export interface SidecarProcess {
  /** IP address of the pod. */
  readonly pod: string;
  /** Cookie of the network namespace in which this was learned; the entry counts nowhere else. */
  readonly netns: bigint;
}

/**
 * Which pod each sidecar process serves: `process_ip`, by process id (of the initial pid namespace).
 *
 * Learned when a sidecar asks for the original destination of a connection that came into its pod. An entry counts only
 * in the network namespace it was learned in, so a process id that is used again by another pod never inherits it.
 * Entries leave with their pod, or as least recently used.
 */
export class ProcessIp {
  readonly #map: BpfLruHashMap<number, SidecarProcess>;

  /** @internal */
  constructor(object: MapsByName) {
    this.#map = BpfLruHashMap.from(object.map('process_ip'), { key: u32, value: mbProcess });
  }

  /** How many processes are remembered before the least recently used is evicted. */
  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /** The pod that a process serves; `undefined` if that is not known. */
  get(pid: number): SidecarProcess | undefined {
    return this.#map.get(pid);
  }

  /** All processes that are known. */
  entries(): IterableIterator<[number, SidecarProcess]> {
    return this.#map.entries();
  }

  /** Same as {@link entries}. */
  [Symbol.iterator](): IterableIterator<[number, SidecarProcess]> {
    return this.entries();
  }

  /** @internal Forgets the processes of pods that were taken out. */
  forget(pods: readonly string[]): void {
    const gone = new Set(pods);
    const pids = [...this.#map.entries()].filter(([, { pod }]) => gone.has(pod)).map(([pid]) => pid);
    this.#map.deleteMany(pids);
  }
}
