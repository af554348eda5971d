import { BpfHashMap } from '../../bpf';
import { ipAddress, type CodecValue } from '../../codec';
import { MapFullError } from '../../errors';
import {
  assertShare,
  canonicalAddress,
  podAddress,
  resolvePodOptions,
  type PodAcceleration,
  type PodOptions,
  type PodRules,
  type PodShare,
} from '../../policy';
import { mbPod } from '../abi/structs';
import { sizeOption } from './map-sizes';
import type { MapsByName } from './maps-by-name';
import { PodCgroups } from './pod-cgroups';
import { RuleSets, type RuleFill } from './rule-sets';

/** What is kept of a pod. */
export interface Pod {
  readonly acceleration: PodAcceleration;
  /**
   * Rules with everything filled in, sorted, without what changes nothing; `undefined` if they say the same as none.
   */
  readonly rules: PodRules | undefined;
  /**
   * Id of the pod's cgroup, the inode number of its directory; `undefined` if the pod is known by its address alone.
   */
  readonly cgroup: bigint | undefined;
}

/** `rules` is the number of a rule set, `cgroup` 0 where it is not known. */
type Stored = CodecValue<typeof mbPod>;

/** A pod as it is to be stored, checked. */
type Wanted = ReturnType<typeof resolvePodOptions> & { readonly address: string };

/**
 * The pods of this node that carry a sidecar: `local_pod_ips`, by address.
 *
 * It works like a JS `Map`. A pod that is in it is redirected from its next connection on; one that is not keeps its
 * own path. Only the controller writes it, so the controller also takes out the pods that are gone: addresses are used
 * again.
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
  readonly #sets: RuleSets;
  readonly #cgroups: PodCgroups;
  readonly #share: PodShare;
  /** Numbers of the rule sets that pods name, for those that name one. */
  readonly #numbers = new Map<string, number>();

  /**
   * @internal
   * @param object - where the maps are
   * @param changed - told of each change; without it this is for reading only, and rule sets stay as they are
   * @param limits - how many rules one pod may have, and the cgroup below which those of pods are looked for
   */
  constructor(
    object: MapsByName,
    changed?: (added: readonly string[], deleted: readonly string[]) => void,
    { share = {}, cgroup }: { readonly share?: PodShare; readonly cgroup?: string } = {},
  ) {
    this.#share = share;
    this.#map = BpfHashMap.from(object.map('local_pod_ips'), { key: ipAddress, value: mbPod });
    this.#sets = new RuleSets(object);
    this.#cgroups = new PodCgroups(cgroup);
    this.#changed = changed ?? (() => undefined);
    if (changed === undefined) return;
    for (const [address, { rules }] of this.#map.entries()) if (rules !== 0) this.#numbers.set(address, rules);
    this.#sets.adopt(this.#numbers.values());
  }

  /** How many pods fit: `maxPods` of the accelerator. */
  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /**
   * Enrols a pod, or changes how it is treated. The options replace those of before: what is left out is the default
   * again, so spread `{ ...localPodIps.get(address), acceleration: 'off' }` to change one of them. A changed scope
   * reaches its existing connections with their next message, changed rules hold for its next connection. Rules that
   * change take some milliseconds, in which the kernel makes sure that no program still reads the old ones.
   *
   * @param address - IPv4 address of the pod
   * @param options - how it is treated
   * @returns this
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the address is none, or one that no pod has (loopback,
   * multicast)
   * @throws PodRulesError (`ERR_BPF_POD_RULES`) if its rules cannot be understood, or are more than `maxPodRulePorts`
   * and `maxPodRuleRanges` allow
   * @throws NotACgroupError (`ERR_BPF_NOT_A_CGROUP`) if the path of its cgroup is none
   * @throws MapFullError (`ERR_BPF_MAP_FULL`) if `maxPods` are there already, or more ports or ranges than
   * `maxRulePorts` and `maxRuleRanges` allow; the pod is what it was before
   * @throws ClosedError (`ERR_BPF_CLOSED`) after the accelerator was closed
   */
  set(address: string, options: PodOptions = {}): this {
    this.setMany([[address, options]]);
    return this;
  }

  /**
   * Enrols many pods at once with batch operations (Linux 5.6): 10,000 take a few milliseconds.
   *
   * @param pods - pairs of address and options, or bare addresses
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`), PodRulesError (`ERR_BPF_POD_RULES`) or NotACgroupError
   * (`ERR_BPF_NOT_A_CGROUP`) before anything is written
   * @throws MapFullError (`ERR_BPF_MAP_FULL`) with `count`, the number of pods that were written
   */
  setMany(pods: Iterable<string | readonly [address: string, options: PodOptions]>): void {
    const wanted = Array.from(pods, pod => (typeof pod === 'string' ? toWanted(pod, {}) : toWanted(pod[0], pod[1])));
    for (const { rules } of wanted) if (rules !== undefined) assertShare(rules, this.#share, this.#sets.sizes);
    const cgroups = this.#cgroups.idsOf(wanted.map(({ cgroup }) => cgroup));
    const numbers: number[] = [];
    let written: 'nothing' | 'a part' | 'all' = 'nothing';
    try {
      for (const { rules } of wanted) numbers.push(rules === undefined ? 0 : this.#sets.acquire(rules));
      written = 'a part';
      this.#map.setMany(
        wanted.map(({ address, acceleration }, i) => [
          address,
          { acceleration, rules: numbers[i] ?? 0, cgroup: cgroups[i] ?? 0n },
        ]),
      );
      written = 'all';
    } catch (error) {
      if (!(error instanceof MapFullError)) throw error;
      // A rule set that does not fit comes before the first pod is written.
      const { map, maxEntries, errno, operation } = error;
      const hint = `start with a larger ${sizeOption(map)}, or take out pods that are gone`;
      throw new MapFullError(map, maxEntries, map === this.#map.name ? error.count : 0, {
        cause: error,
        errno,
        operation,
        hint,
      });
    } finally {
      const named: [address: string, number: number][] = [];
      const unused: number[] = [];
      for (const [i, number] of numbers.entries()) {
        const pod = wanted[i]!;
        // If it ended early, what the map holds says how far it got.
        if (written === 'all' || (written === 'a part' && this.#isStored(pod, number)))
          named.push([pod.address, number]);
        else unused.push(number);
      }
      this.#settle(
        named.map(([address]) => address),
        [],
        [...unused, ...this.#name(named)],
      );
    }
  }

  /** How a pod is treated; `undefined` if it is not enrolled. */
  get(address: string): Pod | undefined {
    const stored = this.#map.get(address);
    return stored && podOf(stored, this.#sets.reader());
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
    return this.deleteMany([address]) === 1;
  }

  /**
   * Takes many pods out at once. Those that have rules cost the wait for running programs once, and not each.
   *
   * @returns how many were enrolled
   */
  deleteMany(addresses: Iterable<string>): number {
    const all = [...new Set(Array.from(addresses, canonicalAddress))];
    const enrolled = all.filter(address => this.#map.has(address));
    let left: ReadonlySet<string> = new Set();
    try {
      this.#map.deleteMany(enrolled);
    } catch (error) {
      left = new Set(enrolled.filter(address => this.#map.has(address)));
      throw error;
    } finally {
      const isGone = (address: string): boolean => !left.has(address);
      this.#settle([], enrolled.filter(isGone), this.#name(all.filter(isGone).map(address => [address, 0])));
    }
    return enrolled.length;
  }

  /** Takes all pods out. */
  clear(): void {
    this.deleteMany([...this.#map.keys(), ...this.#numbers.keys()]);
  }

  /** Addresses of all pods; takes the time of a walk through the map. */
  keys(): IterableIterator<string> {
    return this.#map.keys();
  }

  /** How many pods are enrolled. The kernel does not tell the number: this takes the time of a walk through the map. */
  get size(): number {
    let count = 0;
    for (const _ of this.#map.keys()) count++;
    return count;
  }

  /** The options of all pods, in the order of {@link keys}; read in batches. */
  *values(): IterableIterator<Pod> {
    for (const [, pod] of this.entries()) yield pod;
  }

  /**
   * Calls a function for each pod.
   *
   * @param callback - gets the pod, its address, and this
   * @param thisArg - `this` of the callback
   */
  forEach(callback: (pod: Pod, address: string, pods: this) => void, thisArg?: unknown): void {
    for (const [address, pod] of this.entries()) callback.call(thisArg, pod, address, this);
  }

  /** All pods with their options, read in batches. */
  *entries(): IterableIterator<[string, Pod]> {
    const rulesOf = this.#sets.reader();
    for (const [address, stored] of this.#map.entries()) yield [address, podOf(stored, rulesOf)];
  }

  /** Same as {@link entries}. */
  [Symbol.iterator](): IterableIterator<[string, Pod]> {
    return this.entries();
  }

  /** How full the maps of rules are. @internal */
  ruleFill(): RuleFill[] {
    return this.#sets.fill();
  }

  #isStored({ address, acceleration }: Wanted, number: number): boolean {
    const stored = this.#map.get(address);
    return stored?.rules === number && stored.acceleration === acceleration;
  }

  /** After the map was written, in whole or in part: gives back rule sets, and tells. */
  #settle(added: readonly string[], deleted: readonly string[], numbers: readonly number[]): void {
    try {
      this.#sets.release(numbers);
    } finally {
      if (added.length + deleted.length > 0) this.#changed(added, deleted);
    }
  }

  /** Writes down which set each pod names now; returns the numbers that they named before. */
  #name(pods: readonly (readonly [address: string, number: number])[]): number[] {
    if (this.#numbers.size === 0 && pods.every(([, number]) => number === 0)) return [];
    return pods.flatMap(([address, number]) => {
      const before = this.#numbers.get(address);
      if (number === 0) this.#numbers.delete(address);
      else this.#numbers.set(address, number);
      return before ?? [];
    });
  }
}

function podOf({ acceleration, rules, cgroup }: Stored, rulesOf: (number: number) => PodRules | undefined): Pod {
  return { acceleration, rules: rulesOf(rules), cgroup: cgroup === 0n ? undefined : cgroup };
}

function toWanted(address: string, options: PodOptions): Wanted {
  return { ...resolvePodOptions(options), address: podAddress(address) };
}
