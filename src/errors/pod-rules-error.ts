import { BpfError, defineError } from './bpf-error';

/** One thing that is wrong with the rules of a pod. */
export interface PodRulesProblem {
  /** Where: the annotation, or the property of the rules. */
  readonly name: string;
  /** The place of the entry in its list, from 1; 0 if the list itself is wrong. */
  readonly position: number;
  /** The entry as it was written. */
  readonly entry: unknown;
  /** What is wrong with it. */
  readonly reason: string;
}

/**
 * The rules of a pod cannot be understood. None of them was applied.
 *
 * It has a stable code because annotations are written by whoever owns the pod: a controller reports it and goes on with the other pods.
 */
export class PodRulesError extends BpfError {
  declare readonly code: 'ERR_BPF_POD_RULES';
  /** Everything that is wrong, not just the first. */
  readonly problems: readonly PodRulesProblem[];

  /** @param problems - everything that is wrong */
  constructor(problems: readonly PodRulesProblem[]) {
    const list = problems.map(({ name, position, entry, reason }) => `${name}${position > 0 ? `, entry ${position}` : ''}: ${show(entry)} ${reason}`);
    super('ERR_BPF_POD_RULES', { hint: 'none of these rules was applied' }, list.join('; '));
    this.problems = Object.freeze([...problems]);
  }
}

function show(entry: unknown): string {
  if (typeof entry === 'string') return JSON.stringify(entry.length > 80 ? `${entry.slice(0, 80)}…` : entry);
  return typeof entry === 'number' ? String(entry) : `a value of type ${entry === null ? 'null' : typeof entry}`;
}

defineError(PodRulesError, 'PodRulesError');
