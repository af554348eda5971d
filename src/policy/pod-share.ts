import { PodRulesError, type PodRulesProblem } from '../errors';
import { PORT_LISTS, RANGE_LISTS, type RuleSet } from './rule-set';

/** Limits of the rules of one pod. */
export interface PodShare {
  /** The option `maxPodRulePorts`. Default: 1/128 of `maxRulePorts`, at least 1. */
  readonly ports?: number | undefined;
  /** The option `maxPodRuleRanges`. Default: 1/128 of `maxRuleRanges`, at least 1. */
  readonly ranges?: number | undefined;
}

/** Number of pods with the maximum number of rules that fit. A node has at most 110 pods by default. */
const SHARES = 128;

/**
 * Refuses rules that exceed the limits of one pod. The maps are shared by all pods of the node, and a user who may
 * annotate one pod could fill them.
 *
 * @internal
 * @param set - the rules
 * @param share - the limits that the caller asked for
 * @param sizes - maximum number of ports and ranges in the maps
 * @throws PodRulesError (`ERR_BPF_POD_RULES`) if a limit is exceeded; it has the number, the limit and the option
 */
export function assertShare(
  set: RuleSet,
  share: PodShare,
  sizes: { readonly ports: number; readonly ranges: number },
): void {
  const count = (names: readonly (keyof RuleSet)[]): number =>
    names.reduce((sum, name) => sum + (set[name] as readonly unknown[]).length, 0);
  const problems = [
    problem('ports', 'maxPodRulePorts', count(PORT_LISTS), share.ports ?? shareOf(sizes.ports)),
    problem('ranges', 'maxPodRuleRanges', count(RANGE_LISTS), share.ranges ?? shareOf(sizes.ranges)),
  ].flat();
  if (problems.length > 0) throw new PodRulesError(problems);
}

function shareOf(size: number): number {
  return Math.max(1, Math.floor(size / SHARES));
}

function problem(what: string, option: string, count: number, most: number): PodRulesProblem[] {
  if (count <= most) return [];
  const reason = `${what} in all lists of one pod exceed its limit of ${most} (option ${option})`;
  return [{ name: 'rules', position: 0, entry: count, reason }];
}
