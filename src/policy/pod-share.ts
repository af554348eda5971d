import { PodRulesError, type PodRulesProblem } from '../errors';
import { PORT_LISTS, RANGE_LISTS, type RuleSet } from './rule-set';

/** How much of the maps of rules one pod may have. */
export interface PodShare {
  /** `maxPodRulePorts`. Default: a 128th of `maxRulePorts`, 1 at least. */
  readonly ports?: number | undefined;
  /** `maxPodRuleRanges`. Default: likewise of `maxRuleRanges`. */
  readonly ranges?: number | undefined;
}

/** So many pods with as many rules as one may have fit. More than a node has by default (110). */
const SHARES = 128;

/**
 * Refuses rules that are more than the share of one pod: the maps are for all pods of the node, and whoever may
 * annotate a pod would fill them.
 *
 * @internal
 * @param set - the rules
 * @param share - what was asked for
 * @param sizes - how many ports and ranges the maps hold
 * @throws PodRulesError (`ERR_BPF_POD_RULES`) that names how many there are, how many may be, and the option
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
  const reason = `${what} in all lists of one pod are more than the ${most} that it may have; ${option} is the option`;
  return [{ name: 'rules', position: 0, entry: count, reason }];
}
