import { isIPv4 } from 'node:net';
import { BpfHashMap } from '../bpf';
import { ipAddress, struct, u32 } from '../codec';
import { InvalidAddressError, MapFullError } from '../errors';
import { assertAcceleration, podAccelerationCodec, type PodAcceleration } from './acceleration';
import type { MapsByName } from './maps-by-name';

/** How one pod is treated. */
export interface PodOptions {
  /** Scope of this pod; default `'inherit'`: the accelerator's. `'full'` is how a pod opts its application in. */
  readonly acceleration?: PodAcceleration;
}

/** What is kept of a pod. */
export type Pod = Required<PodOptions>;

/** struct mb_pod of bpf/include/abi.h. */
export const podCodec = struct({ acceleration: podAccelerationCodec, pad: u32 });

type Stored = { acceleration: PodAcceleration; pad: number };

/**
 * The pods of this node that carry a sidecar: `local_pod_ips`, by address.
 *
 * It works like a JS `Map`. A pod that is in it is redirected from its next connection on; one that is not keeps its own path.
 * Only the controller writes it, so the controller also takes out the pods that are gone: addresses are used again.
 *
 * @example
 * ```ts
 * import { MeshAccelerator } from 'merbridge';
 *
 * export function follow(mesh: MeshAccelerator, address: string, gone: boolean): void {
 *   if (gone) mesh.localPodIps.delete(address);
 *   else mesh.localPodIps.set(address, { acceleration: 'full' });
 * }
 * ```
 */
export class LocalPodIps {
  readonly #map: BpfHashMap<string, Stored>;
  readonly #changed: (added: readonly string[], deleted: readonly string[]) => void;

  /** @internal */
  constructor(object: MapsByName, changed: (added: readonly string[], deleted: readonly string[]) => void) {
    this.#map = BpfHashMap.from(object.map('local_pod_ips'), { key: ipAddress, value: podCodec });
    this.#changed = changed;
  }

  /** How many pods fit: `maxPods` of the accelerator. */
  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /**
   * Enrols a pod, or changes how it is treated; a changed scope reaches its existing connections with their next message.
   *
   * @param address - IPv4 address of the pod
   * @param options - how it is treated
   * @returns this
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the address is none, or one that no pod has (loopback, multicast)
   * @throws MapFullError (`ERR_BPF_MAP_FULL`) if `maxPods` are there already
   * @throws ClosedError (`ERR_BPF_CLOSED`) after the accelerator was closed
   */
  set(address: string, options: PodOptions = {}): this {
    this.#map.set(podAddress(address), toStored(options));
    this.#changed([address], []);
    return this;
  }

  /**
   * Enrols many pods at once with batch operations (Linux 5.6): 10,000 take a few milliseconds.
   *
   * @param pods - pairs of address and options, or bare addresses
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) before anything is written
   * @throws MapFullError (`ERR_BPF_MAP_FULL`) with `count`, the number of pods that were written
   */
  setMany(pods: Iterable<string | readonly [address: string, options: PodOptions]>): void {
    const entries = Array.from(pods, (pod): readonly [string, Stored] =>
      typeof pod === 'string' ? [podAddress(pod), toStored({})] : [podAddress(pod[0]), toStored(pod[1])],
    );
    let written = 0;
    try {
      written = this.#map.setMany(entries);
    } catch (error) {
      if (error instanceof MapFullError) written = error.count;
      throw error;
    } finally {
      if (written > 0) this.#changed(entries.slice(0, written).map(([address]) => address), []);
    }
  }

  /** How a pod is treated; `undefined` if it is not enrolled. */
  get(address: string): Pod | undefined {
    const stored = this.#map.get(address);
    return stored && { acceleration: stored.acceleration };
  }

  /** Whether a pod is enrolled. */
  has(address: string): boolean {
    return this.#map.has(address);
  }

  /**
   * Takes a pod out: its next connections keep their own path, its existing ones live on over the TCP stack.
   *
   * @returns whether it was enrolled
   */
  delete(address: string): boolean {
    const existed = this.#map.delete(address);
    if (existed) this.#changed([], [address]);
    return existed;
  }

  /** Takes all pods out. */
  clear(): void {
    const addresses = [...this.#map.keys()];
    this.#map.clear();
    this.#changed([], addresses);
  }

  /** Addresses of all pods; takes the time of a walk through the map. */
  keys(): IterableIterator<string> {
    return this.#map.keys();
  }

  /** All pods with their options, read in batches. */
  *entries(): IterableIterator<[string, Pod]> {
    for (const [address, { acceleration }] of this.#map.entries()) yield [address, { acceleration }];
  }

  /** Same as {@link entries}. */
  [Symbol.iterator](): IterableIterator<[string, Pod]> {
    return this.entries();
  }
}

/** Refuses what no pod has: a loopback address would enrol every network namespace, because each of them has it. */
function podAddress(address: string): string {
  if (isIPv4(address)) {
    const first = Number.parseInt(address, 10);
    if (first === 0 || first === 127 || first >= 224)
      throw new InvalidAddressError(address, 'a pod has a unicast address that is neither 0.0.0.0/8 nor 127.0.0.0/8');
  } else if (typeof address === 'string' && address.includes(':') && !/^::ffff:\d+\./i.test(address)) {
    throw new InvalidAddressError(address, 'only IPv4 addresses of pods are acted upon so far');
  }
  return address;
}

function toStored(options: PodOptions): Stored {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TypeError(`pod options must be an object, not ${String(options)}`);
  const { acceleration = 'inherit', ...unknown } = options;
  const [extra] = Object.keys(unknown);
  if (extra !== undefined) throw new TypeError(`pod options: unknown option '${extra}'`);
  if (acceleration !== 'inherit') assertAcceleration(acceleration, 'pod options: acceleration');
  return { acceleration, pad: 0 };
}
