import { rulesOf, ruleSetOf, type PodOptions } from '../../policy';

/**
 * Tests whether two pods are treated alike. The requested options and those that are read back from the maps may differ
 * in order, in omitted properties, and in what has no effect.
 *
 * @internal
 */
export function sameTreatment(one: PodOptions, other: PodOptions): boolean {
  return one === other || canonical(one) === canonical(other);
}

/** Cache. Options are never changed in place. */
const known = new WeakMap<PodOptions, string>();

function canonical(options: PodOptions): string {
  let text = known.get(options);
  if (text === undefined) {
    const { acceleration = 'inherit', rules, cgroup } = options;
    // A cgroup id that an earlier process wrote is neither a path nor a UID, so the requested cgroup is written again.
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
    return rules; // the table reports what is wrong with them
  }
}
