import { rulesOf, ruleSetOf, type PodOptions } from '../policy';

/**
 * Whether two pods are treated alike. What was asked for and what is read back from the maps may differ in order, in
 * what is left out, and in what changes nothing.
 *
 * @internal
 */
export function sameTreatment(one: PodOptions, other: PodOptions): boolean {
  return one === other || canonical(one) === canonical(other);
}

/** Options are never changed in place, so one that was seen before need not be looked at again. */
const known = new WeakMap<PodOptions, string>();

function canonical(options: PodOptions): string {
  let text = known.get(options);
  if (text === undefined) {
    const { acceleration = 'inherit', rules, cgroup } = options;
    // An id that an earlier process wrote is no path and no UID: what is asked for is written again.
    text = JSON.stringify([
      acceleration,
      rules && canonicalRules(rules),
      typeof cgroup === 'bigint' ? `${cgroup}` : cgroup,
    ]);
    known.set(options, text);
  }
  return text;
}

function canonicalRules(rules: NonNullable<PodOptions['rules']>): unknown {
  try {
    const set = ruleSetOf(rules);
    return set && rulesOf(set);
  } catch {
    return rules; // the table will say what is wrong with them
  }
}
