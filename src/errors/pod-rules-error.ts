import { MerbridgeError, defineError } from './merbridge-error';
import { printable, quoted } from './printable';

/** One thing that is wrong with the rules of a pod. */
export interface PodRulesProblem {
  /** Where: the annotation, or the property of the rules. */
  readonly name: string;
  /** The place of the entry in its list, from 1; 0 if the list itself is wrong. */
  readonly position: number;
  /** The entry as it was written; of a long one the beginning. */
  readonly entry: unknown;
  /** What is wrong with it. */
  readonly reason: string;
}

/** So many are told. Who looks for problems stops at one more. @internal */
export const MAX_PROBLEMS = 20;

/** So much of an entry is kept and shown: more than the longest right one has. */
const MAX_ENTRY = 80;

/**
 * Whether enough is known to be wrong: to go on would cost time and memory by the length of what somebody else wrote.
 * @internal
 */
export function isEnough(problems: readonly PodRulesProblem[]): boolean {
  return problems.length > MAX_PROBLEMS;
}

/** Those that are told, with the beginnings of their entries. @internal */
export function firstProblems(problems: readonly PodRulesProblem[]): readonly PodRulesProblem[] {
  return Object.freeze(
    problems.slice(0, MAX_PROBLEMS).map(problem => ({ ...problem, entry: beginning(problem.entry) })),
  );
}

/** All of them in one line of a message. @internal */
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
 * The rules of a pod cannot be understood, or are more than one pod may have. None of them was applied.
 *
 * It has a stable code because annotations are written by whoever owns the pod: a controller reports it and goes on
 * with the other pods.
 */
export class PodRulesError extends MerbridgeError {
  declare readonly code: 'ERR_BPF_POD_RULES';
  /** What is wrong, not just the first: up to 20 problems. */
  readonly problems: readonly PodRulesProblem[];
  /** Whether more is wrong than `problems` has. */
  readonly hasMore: boolean;

  /** @param problems - everything that is wrong; the first 20 are kept */
  constructor(problems: readonly PodRulesProblem[]) {
    const first = firstProblems(problems);
    const hasMore = problems.length > first.length;
    super('ERR_BPF_POD_RULES', { hint: 'none of these rules was applied' }, listProblems(first, hasMore));
    this.problems = first;
    this.hasMore = hasMore;
  }
}

defineError(PodRulesError, 'PodRulesError');
