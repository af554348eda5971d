import { BpfLruHashMap } from '../../bpf';
import { u32 } from '../../codec';
import { mbProcess } from '../abi/structs';
import type { MapsByName } from './maps-by-name';

/** The pod that a sidecar process serves. */
export interface SidecarProcess {
  /** IP address of the pod. */
  readonly pod: string;
  /** Cookie of the network namespace (SO_NETNS_COOKIE) in which this was learned. The entry is valid only there. */
  readonly netns: bigint;
}

/**
 * The pod that each sidecar process serves: the map `process_ip`, by process id in the initial pid namespace.
 *
 * The programs learn it when a sidecar asks for the original destination of a connection into its pod. An entry is
 * valid only in the network namespace in which it was learned, so a process of another pod that reuses the process id
 * never inherits it. Entries are deleted together with their pod, or evicted as least recently used.
 *
 * @example
 * ```ts
 * import type { MeshAccelerator } from 'merbridge';
 *
 * export function printSidecars(mesh: MeshAccelerator): void {
 *   for (const [pid, { pod }] of mesh.processIp) console.log(`process ${pid} is the sidecar of ${pod}`);
 * }
 * ```
 */
export class ProcessIp {
  readonly #map: BpfLruHashMap<number, SidecarProcess>;

  /** @internal */
  constructor(object: MapsByName) {
    this.#map = BpfLruHashMap.from(object.map('process_ip'), { key: u32, value: mbProcess });
  }

  /** Maximum number of processes. Beyond it the least recently used entry is evicted. */
  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /**
   * Reads the pod that a process serves.
   *
   * @param pid - process id in the initial pid namespace
   * @returns the pod. `undefined` if it is not known
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  get(pid: number): SidecarProcess | undefined {
    return this.#map.get(pid);
  }

  /**
   * Iterates over all known sidecar processes.
   *
   * @returns an iterator over pairs of process id and pod
   */
  entries(): IterableIterator<[number, SidecarProcess]> {
    return this.#map.entries();
  }

  /**
   * Same as {@link entries}.
   *
   * @returns an iterator over pairs of process id and pod
   */
  [Symbol.iterator](): IterableIterator<[number, SidecarProcess]> {
    return this.entries();
  }

  /**
   * Deletes the processes of pods that were deleted.
   *
   * @internal
   * @param pods - IP addresses of the pods
   */
  forget(pods: readonly string[]): void {
    const gone = new Set(pods);
    const pids = [...this.#map.entries()].filter(([, { pod }]) => gone.has(pod)).map(([pid]) => pid);
    this.#map.deleteMany(pids);
  }
}
