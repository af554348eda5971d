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

/** How full one of the maps of rules is. @internal */
export interface RuleFill {
  readonly map: string;
  readonly entries: number;
  readonly maxEntries: number;
}

/** How a rule set is kept in memory: what it says, and how many pods name it. */
interface Kept {
  readonly digest: string;
  readonly set: RuleSet;
  pods: number;
}

/** Sets as the maps have them, by number. */
type StoredSets = ReadonlyMap<number, { readonly digest: string; readonly set: RuleSet }>;

/**
 * The rule sets in `pod_rules`, `pod_rule_ports` and `pod_rule_ranges`.
 *
 * A set is written whole before a pod names it, never changed, and taken out when no pod names it and no program that
 * has read its number can still be running. So a decision of the programs, which reads the number once, is made by one
 * set. Equal rules are one set.
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
    // Any map that is declared as the elements of the array are.
    this.#grace = { map: BpfArrayOfMaps.from(maps.map('grace_period')), inner: maps.map('last_held') };
  }

  /**
   * Takes over what an earlier process left: sets that pods name are kept, all else is taken out.
   *
   * @param named - the number that each pod names, 0 for none
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
      // One that is not what it says it is stays with its pods, and no other pod gets it.
      if (isWhole({ digest, set })) this.#byDigest.set(digest, number);
    }
    const isGarbage = ({ set }: { set: number }): boolean => !pods.has(set);
    this.#sets.deleteMany([...this.#sets.keys()].filter(set => isGarbage({ set })));
    this.#ports.deleteMany([...this.#ports.keys()].filter(isGarbage));
    this.#ranges.deleteMany([...this.#ranges.keys()].filter(isGarbage));
  }

  /**
   * The number of a set that says this, for one more pod. Writes it if there is none.
   *
   * @throws MapFullError with nothing written
   */
  acquire(set: RuleSet): number {
    const digest = digestOf(set);
    const key = keyOf(digest);
    const number = this.#byDigest.get(key) ?? this.#write(set, digest);
    this.#kept.get(number)!.pods++;
    return number;
  }

  /** Pods do not name these numbers any more, each number once for each pod. What nobody names is taken out. */
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

  /** How many ports and ranges the maps hold. */
  get sizes(): { readonly ports: number; readonly ranges: number } {
    return { ports: this.#ports.maxEntries, ranges: this.#ranges.maxEntries };
  }

  /** How full the maps are. Known from what was written: nothing is read for it. */
  fill(): RuleFill[] {
    const of = ({ name, maxEntries }: BpfMap, entries: number): RuleFill => ({ map: name, entries, maxEntries });
    const { sets, ports, ranges } = this.#entries;
    return [of(this.#sets, sets), of(this.#ports, ports), of(this.#ranges, ranges)];
  }

  /**
   * Tells what a set says: `undefined` for 0, and for a set that is not there. What this process did not write is read
   * from the maps, all sets together, and once more if one is not there or not whole: another process may have written
   * it meanwhile.
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
   * At random: a number that was given back is not soon another set's, for whoever looks at the maps from another
   * process.
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
   * All sets as the maps have them. Without its lists' head a set was not written to its end: it has neither digest nor
   * meaning.
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
