import { randomInt } from 'node:crypto';
import { BpfArrayOfMaps, BpfHashMap, BpfLpmTrieMap, type BpfMap } from '../../bpf';
import { u32, u8, type CodecValue } from '../../codec';
import { PORT_LISTS, RANGE_LISTS, rulesOf, type PodRules, type RuleSet } from '../../policy';
import { mbRulePort, mbRuleRange, mbRules } from '../abi/structs';
import type { MapsByName } from './maps-by-name';
import {
  digestOf,
  isWhole,
  keyOf,
  portKeys,
  rangeKeys,
  ruleSetFrom,
  setEntry,
  type PortKey,
  type RangeKey,
} from './rule-entries';

/** Fill level of one of the maps of rules. @internal */
export interface RuleFill {
  readonly map: string;
  readonly entries: number;
  readonly maxEntries: number;
}

/** A rule set in memory: its contents, and how many pods use it. */
interface Kept {
  readonly digest: string;
  readonly set: RuleSet;
  pods: number;
}

/** Rule sets as the maps contain them, by number. */
type StoredSets = ReadonlyMap<number, { readonly digest: string; readonly set: RuleSet }>;

/**
 * The rule sets in `pod_rules`, `pod_rule_ports` and `pod_rule_ranges`.
 *
 * A set is written completely before a pod refers to it, and is never changed. It is deleted when no pod refers to it
 * any more and an RCU grace period has passed, so that no program that has read its number can still be running. A
 * program reads the number once per decision, so each decision uses exactly one set. Pods with equal rules share one
 * set.
 *
 * @internal
 */
export class RuleSets {
  readonly #sets: BpfHashMap<number, CodecValue<typeof mbRules>>;
  readonly #ports: BpfHashMap<PortKey, number>;
  readonly #ranges: BpfLpmTrieMap<RangeKey, number>;
  readonly #grace: { readonly map: BpfArrayOfMaps; readonly inner: BpfMap };
  readonly #kept = new Map<number, Kept>();
  readonly #byDigest = new Map<string, number>();
  readonly #entries = { sets: 0, ports: 0, ranges: 0 };

  constructor(maps: MapsByName) {
    this.#sets = BpfHashMap.from(maps.map('pod_rules'), { key: u32, value: mbRules });
    this.#ports = BpfHashMap.from(maps.map('pod_rule_ports'), { key: mbRulePort, value: u8 });
    this.#ranges = BpfLpmTrieMap.from(maps.map('pod_rule_ranges'), { key: mbRuleRange, value: u8 });
    // The inner map can be any map with the layout that the array declares for its elements.
    this.#grace = { map: BpfArrayOfMaps.from(maps.map('grace_period')), inner: maps.map('last_held') };
  }

  /**
   * Takes over the sets of an earlier process. Sets that pods use are kept, all others are deleted.
   *
   * @param named - number of the set that each pod uses, 0 for none
   */
  adopt(named: Iterable<number>): void {
    const pods = new Map<number, number>();
    for (const number of named) if (number !== 0) pods.set(number, (pods.get(number) ?? 0) + 1);
    const there = this.#readAll();
    for (const [number, count] of pods) {
      const { digest, set } = there.get(number) ?? {};
      if (digest === undefined || set === undefined) continue;
      this.#kept.set(number, { digest, set, pods: count });
      this.#count(set, 1);
      // A set that does not match its digest stays with its pods, but no other pod shares it.
      if (isWhole({ digest, set })) this.#byDigest.set(digest, number);
    }
    const isGarbage = ({ set }: { set: number }): boolean => !pods.has(set);
    this.#sets.deleteMany([...this.#sets.keys()].filter(set => isGarbage({ set })));
    this.#ports.deleteMany([...this.#ports.keys()].filter(isGarbage));
    this.#ranges.deleteMany([...this.#ranges.keys()].filter(isGarbage));
  }

  /**
   * Gets the number of an equal set for one more pod. Writes a new set if there is none.
   *
   * @param set - the rule set
   * @returns its number
   * @throws MapFullError (`ERR_BPF_MAP_FULL`) if a new set does not fit; nothing is written then
   */
  acquire(set: RuleSet): number {
    const digest = digestOf(set);
    const key = keyOf(digest);
    const number = this.#byDigest.get(key) ?? this.#write(set, digest);
    this.#kept.get(number)!.pods++;
    return number;
  }

  /**
   * Releases sets. A set that no pod uses any more is deleted.
   *
   * @param numbers - numbers of the sets, once for each pod that stops using one
   */
  release(numbers: Iterable<number>): void {
    const unused = new Map<number, Kept>();
    for (const number of numbers) {
      const kept = this.#kept.get(number);
      if (kept !== undefined && --kept.pods === 0) unused.set(number, kept);
    }
    if (unused.size === 0) return;
    for (const [number, { digest }] of unused) {
      this.#kept.delete(number);
      if (this.#byDigest.get(digest) === number) this.#byDigest.delete(digest);
    }
    this.#grace.map.set(0, this.#grace.inner);
    for (const [number, { set }] of unused) {
      this.#erase(number, set);
      this.#count(set, -1);
    }
  }

  /** Maximum number of ports and ranges in the maps. */
  get sizes(): { readonly ports: number; readonly ranges: number } {
    return { ports: this.#ports.maxEntries, ranges: this.#ranges.maxEntries };
  }

  /**
   * Tells how full the maps are. It is known from previous writes, so no map is read.
   *
   * @returns one element for each map
   */
  fill(): RuleFill[] {
    const of = ({ name, maxEntries }: BpfMap, entries: number): RuleFill => ({ map: name, entries, maxEntries });
    const { sets, ports, ranges } = this.#entries;
    return [of(this.#sets, sets), of(this.#ports, ports), of(this.#ranges, ranges)];
  }

  /**
   * Makes a function that returns the rules of a set. Sets that this process did not write are read from the maps, all
   * of them at once. They are read once more if a set is missing or incomplete, because another process may have
   * written it meanwhile.
   *
   * @returns the function. It takes the number of a set and returns `undefined` for 0 or a missing set
   */
  reader(): (number: number) => PodRules | undefined {
    let there: StoredSets | undefined;
    const read = new Map<number, RuleSet | undefined>();
    const find = (number: number): RuleSet | undefined => {
      let found = (there ??= this.#readAll()).get(number);
      if (found === undefined || !isWhole(found)) found = (there = this.#readAll()).get(number);
      read.set(number, found?.set);
      return found?.set;
    };
    return number => {
      if (number === 0) return undefined;
      const set = this.#kept.get(number)?.set ?? (read.has(number) ? read.get(number) : find(number));
      return set && rulesOf(set);
    };
  }

  #write(set: RuleSet, digest: readonly [bigint, bigint]): number {
    const number = this.#unused();
    try {
      this.#ports.setMany(portKeys(number, set).map(key => [key, 1]));
      this.#ranges.setMany(rangeKeys(number, set).map(key => [key, 1]));
      this.#sets.set(number, setEntry(set, digest));
    } catch (error) {
      this.#erase(number, set);
      throw error;
    }
    this.#kept.set(number, { digest: keyOf(digest), set, pods: 0 });
    this.#count(set, 1);
    this.#byDigest.set(keyOf(digest), number);
    return number;
  }

  /**
   * Chooses a random unused number. So a number that was released is not reused soon, which would confuse another
   * process that reads the maps.
   */
  #unused(): number {
    for (;;) {
      const number = randomInt(1, 2 ** 32);
      if (!this.#kept.has(number) && !this.#sets.has(number)) return number;
    }
  }

  #count(set: RuleSet, sign: 1 | -1): void {
    this.#entries.sets += sign;
    for (const name of PORT_LISTS) this.#entries.ports += sign * set[name].length;
    for (const name of RANGE_LISTS) this.#entries.ranges += sign * set[name].length;
  }

  #erase(number: number, set: RuleSet): void {
    this.#sets.delete(number);
    this.#ports.deleteMany(portKeys(number, set));
    this.#ranges.deleteMany(rangeKeys(number, set));
  }

  /**
   * Reads all sets from the maps. Ports and ranges without an entry in `pod_rules` belong to a set that was not written
   * completely. They are ignored.
   */
  #readAll(): StoredSets {
    const lists = new Map<number, { ports: PortKey[]; ranges: RangeKey[] }>();
    const of = (number: number): { ports: PortKey[]; ranges: RangeKey[] } => {
      const known = lists.get(number) ?? { ports: [], ranges: [] };
      lists.set(number, known);
      return known;
    };
    for (const key of this.#ports.keys()) of(key.set).ports.push(key);
    for (const key of this.#ranges.keys()) of(key.set).ranges.push(key);
    const sets = new Map<number, { digest: string; set: RuleSet }>();
    for (const [number, { digest, flags }] of this.#sets.entries())
      sets.set(number, { digest: keyOf(digest), set: ruleSetFrom(flags, of(number)) });
    return sets;
  }
}
