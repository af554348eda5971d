import { MerbridgeError, defineError } from './merbridge-error';
import { printable, quoted } from './printable';

/** One thing that is wrong with the rules of a pod. */
export interface PodRulesProblem {
  /** Name of the annotation, or of the property of the rules. */
  readonly name: string;
  /** Position of the entry in its list, counted from 1. It is 0 if the list itself is wrong. */
  readonly position: number;
  /** The entry as it was written. Long text is cut to 80 characters. */
  readonly entry: unknown;
  /** What is wrong with the entry. */
  readonly reason: string;
}

/**
 * Number of problems that an error reports. The check stops after one more.
 *
 * @internal
 */
export const MAX_PROBLEMS = 20;

/** Number of characters of an entry that an error reports. No valid entry is longer. */
const MAX_ENTRY = 80;

/**
 * Whether enough problems were found to stop the check. Checking more would cost time and memory in proportion to input
 * from somebody else.
 *
 * @internal
 */
export function isEnough(problems: readonly PodRulesProblem[]): boolean {
  return problems.length > MAX_PROBLEMS;
}

/**
 * The problems that an error reports, with their entries cut.
 *
 * @internal
 */
export function firstProblems(problems: readonly PodRulesProblem[]): readonly PodRulesProblem[] {
  return Object.freeze(
    problems.slice(0, MAX_PROBLEMS).map(problem => ({ ...problem, entry: beginning(problem.entry) })),
  );
}

/**
 * Formats the problems as one line of a message.
 *
 * @internal
 */
export function listProblems(problems: readonly PodRulesProblem[], hasMore: boolean): string {
  const texts = problems.map(({ name, position, entry, reason }) => {
    const text = printable(reason);
    return name === ''
      ? text
      : `${printable(name)}${position > 0 ? `, entry ${position}` : ''}: ${quoted(entry, MAX_ENTRY + 1)} ${text}`;
  });
  return `${texts.join('; ')}${hasMore ? `; and more, these are the first ${problems.length}` : ''}`;
}

function beginning(entry: unknown): unknown {
  return typeof entry === 'string' && entry.length > MAX_ENTRY ? `${entry.slice(0, MAX_ENTRY)}…` : entry;
}

/**
 * The rules of a pod are invalid, or there are more than a pod may have. None of them was applied.
 *
 * Annotations are written by the owner of the pod. Therefore a controller reports this error and continues with the
 * other pods.
 *
 * @example
 * ```ts
 * import { istioPodRules, PodRulesError, type PodRules } from 'merbridge';
 *
 * function rulesOf(annotations: Record<string, string>): PodRules | undefined {
 *   try {
 *     return istioPodRules(annotations);
 *   } catch (error) {
 *     if (!(error instanceof PodRulesError)) throw error;
 *     for (const { name, position, reason } of error.problems) console.warn(`${name}, entry ${position}: ${reason}`);
 *     return undefined;
 *   }
 * }
 * ```
 */
export class PodRulesError extends MerbridgeError {
  /** Always `'ERR_BPF_POD_RULES'`. */
  declare readonly code: 'ERR_BPF_POD_RULES';
  /** All problems that were found, up to 20. */
  readonly problems: readonly PodRulesProblem[];
  /** Whether there are more problems than `problems` lists. */
  readonly hasMore: boolean;

  /**
   * Creates the error.
   *
   * @param problems - everything that is wrong. The first 20 are kept
   */
  constructor(problems: readonly PodRulesProblem[]) {
    const first = firstProblems(problems);
    const hasMore = problems.length > first.length;
    super('ERR_BPF_POD_RULES', { hint: 'none of these rules was applied' }, listProblems(first, hasMore));
    this.problems = first;
    this.hasMore = hasMore;
  }
}

defineError(PodRulesError, 'PodRulesError');
