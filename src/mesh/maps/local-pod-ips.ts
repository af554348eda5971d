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

/** An enrolled pod. */
export interface Pod {
  /** Its scope of acceleration. `'inherit'` stands for the scope of the accelerator. */
  readonly acceleration: PodAcceleration;
  /**
   * Its rules in canonical form: complete, sorted, without entries that have no effect. `undefined` if they are
   * equivalent to no rules.
   */
  readonly rules: PodRules | undefined;
  /**
   * Id of the pod's cgroup: the inode number of its directory. `undefined` if the pod is identified by its address
   * alone.
   */
  readonly cgroup: bigint | undefined;
}

/** `rules` is the number of a rule set, or 0 for none. `cgroup` is 0 if it is not known. */
type Stored = CodecValue<typeof mbPod>;

/** The validated options and canonical address of a pod. */
type Wanted = ReturnType<typeof resolvePodOptions> & { readonly address: string };

/**
 * The enrolled pods of this node, which have a sidecar: the map `local_pod_ips`, by IP address.
 *
 * It works like a JavaScript `Map`. Connections of a pod are redirected from the first one after it is added. Those of
 * other pods keep their own path. Only the controller writes this map, so the controller must also delete pods that are
 * gone, because addresses are reused.
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
  /** Number of the rule set of each pod that has one, by address. */
  readonly #numbers = new Map<string, number>();

  /**
   * @internal
   * @param object - contains the maps
   * @param changed - called after each change. Without it the object is read-only, and rule sets remain unchanged
   * @param limits - how many rules one pod may have, and the cgroup below which to look for cgroups of pods
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

  /** Maximum number of pods: `maxPods` of the accelerator. */
  get maxEntries(): number {
    return this.#map.maxEntries;
  }

  /**
   * Enrols a pod, or changes its options.
   *
   * The options replace all previous ones: an option that is left out returns to its default. To change one of them,
   * use `{ ...localPodIps.get(address), acceleration: 'off' }`. A changed scope applies to existing connections from
   * their next message on. Changed rules apply to the next connection. Changing rules takes some milliseconds, because
   * it waits for an RCU grace period until no program can still read the old ones.
   *
   * @param address - IPv4 address of the pod
   * @param options - scope, rules and cgroup of the pod
   * @returns this
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the address is invalid or cannot be that of a pod
   * (loopback, multicast)
   * @throws TypeError if an option is unknown or of the wrong type
   * @throws PodRulesError (`ERR_BPF_POD_RULES`) if its rules are invalid, or exceed `maxPodRulePorts` or
   * `maxPodRuleRanges`
   * @throws NotACgroupError (`ERR_BPF_NOT_A_CGROUP`) if the path of its cgroup is not a cgroup below the accelerator's
   * @throws MapFullError (`ERR_BPF_MAP_FULL`) if the number of pods exceeds `maxPods`, or the rules of all pods exceed
   * `maxRulePorts` or `maxRuleRanges`; the pod keeps its previous options
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  set(address: string, options: PodOptions = {}): this {
    this.setMany([[address, options]]);
    return this;
  }

  /**
   * Enrols many pods at once with batch operations (Linux 5.6). 10,000 pods take a few milliseconds. It
   * checks all pods before it writes the first one.
   *
   * @param pods - pairs of address and options, or addresses alone
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if an address is invalid or cannot be that of a pod
   * @throws TypeError if an option is unknown or of the wrong type
   * @throws PodRulesError (`ERR_BPF_POD_RULES`) if rules are invalid, or exceed the limits of one pod
   * @throws NotACgroupError (`ERR_BPF_NOT_A_CGROUP`) if the path of a cgroup is not a cgroup below the accelerator's
   * @throws MapFullError (`ERR_BPF_MAP_FULL`) if not all pods fit; `count` is the number of pods that were written
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
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
      // If a rule set does not fit, no pod has been written yet, so the count is 0.
      const { map, maxEntries, errno, operation } = error;
      const hint = `start with a larger ${sizeOption(map)}, or delete pods that are gone`;
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
        // If the write failed in the middle, the map shows which pods were written.
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

  /**
   * Reads the options of a pod.
   *
   * @param address - IP address of the pod
   * @returns its options in canonical form. `undefined` if it is not enrolled
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the address is invalid
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  get(address: string): Pod | undefined {
    const stored = this.#map.get(address);
    return stored && podOf(stored, this.#sets.reader());
  }

  /**
   * Tells whether a pod is enrolled.
   *
   * @param address - IP address of the pod
   * @returns whether it is enrolled
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the address is invalid
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  has(address: string): boolean {
    return this.#map.has(address);
  }

  /**
   * Deletes a pod. Its next connections keep their own path. Its existing ones continue over the TCP stack.
   *
   * @param address - IP address of the pod
   * @returns whether it was enrolled
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the address is invalid
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  delete(address: string): boolean {
    return this.deleteMany([address]) === 1;
  }

  /**
   * Deletes many pods at once. If some of them have rules, this waits for one RCU grace period in total, not for one
   * per pod.
   *
   * @param addresses - IP addresses of the pods
   * @returns how many of them were enrolled
   * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if an address is invalid; nothing is deleted then
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
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

  /**
   * Deletes all pods.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the accelerator is closed
   */
  clear(): void {
    this.deleteMany([...this.#map.keys(), ...this.#numbers.keys()]);
  }

  /**
   * Iterates over the addresses of all pods. It reads the whole map.
   *
   * @returns an iterator over IP addresses, in the order of the map
   */
  keys(): IterableIterator<string> {
    return this.#map.keys();
  }

  /** Number of enrolled pods. The kernel does not report it, so this reads the keys of the whole map. */
  get size(): number {
    let count = 0;
    for (const _ of this.#map.keys()) count++;
    return count;
  }

  /**
   * Iterates over the options of all pods, in the order of {@link keys}. It reads the map in batches.
   *
   * @returns an iterator over pods
   */
  *values(): IterableIterator<Pod> {
    for (const [, pod] of this.entries()) yield pod;
  }

  /**
   * Calls a function for each pod.
   *
   * @param callback - called with the pod, its address, and this map
   * @param thisArg - `this` of the callback
   */
  forEach(callback: (pod: Pod, address: string, pods: this) => void, thisArg?: unknown): void {
    for (const [address, pod] of this.entries()) callback.call(thisArg, pod, address, this);
  }

  /**
   * Iterates over all pods. It reads the map in batches.
   *
   * @returns an iterator over pairs of IP address and pod
   */
  *entries(): IterableIterator<[string, Pod]> {
    const rulesOf = this.#sets.reader();
    for (const [address, stored] of this.#map.entries()) yield [address, podOf(stored, rulesOf)];
  }

  /**
   * Same as {@link entries}.
   *
   * @returns an iterator over pairs of IP address and pod
   */
  [Symbol.iterator](): IterableIterator<[string, Pod]> {
    return this.entries();
  }

  /**
   * Tells how full the maps of rules are.
   *
   * @internal
   * @returns one element for each map
   */
  ruleFill(): RuleFill[] {
    return this.#sets.fill();
  }

  #isStored({ address, acceleration }: Wanted, number: number): boolean {
    const stored = this.#map.get(address);
    return stored?.rules === number && stored.acceleration === acceleration;
  }

  /**
   * Releases rule sets that are no longer used, then reports the change. Call it after each write, even a partial one.
   */
  #settle(added: readonly string[], deleted: readonly string[], numbers: readonly number[]): void {
    try {
      this.#sets.release(numbers);
    } finally {
      if (added.length + deleted.length > 0) this.#changed(added, deleted);
    }
  }

  /** Records which rule set each pod uses now, and returns the numbers that they used before. */
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
