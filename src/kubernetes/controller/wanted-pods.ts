import { firstProblems, printable, type PodRulesProblem } from '../../errors';
import { podAddressIfAny, type PodOptions, type PodRules } from '../../policy';
import { PodRefusedError } from '../errors';
import { asError } from '../sources/report';
import type { SourcePod } from '../sources/pod-source';

/** Derives a pod's rules from its annotations. It throws an error with `problems` if they are invalid. */
export type RulesOfAnnotations = (annotations: Readonly<Record<string, string>>) => PodRules;

/** The desired state of one address, and the pod that it comes from. */
export interface Wanted {
  readonly key: string;
  readonly pod: SourcePod;
  readonly options: PodOptions;
}

/** Resolved options of a pod. If they cannot be resolved: the previous options, or `undefined` if there are none. */
interface Resolved {
  readonly pod: SourcePod;
  readonly options: PodOptions | undefined;
  readonly problem: string | undefined;
}

/**
 * Computes the desired content of the table, by address, from the pods of a source.
 *
 * @internal
 */
export class WantedPods {
  readonly #resolved = new Map<string, Resolved>();

  constructor(
    private readonly rules: RulesOfAnnotations,
    private readonly report: (error: PodRefusedError) => void,
  ) {}

  /**
   * Computes the complete state. An unchanged pod costs only a lookup.
   *
   * @param pods - pods of the source by key
   * @returns the desired state by address
   */
  of(pods: ReadonlyMap<string, SourcePod>): Map<string, Wanted> {
    for (const key of this.#resolved.keys()) if (!pods.has(key)) this.#resolved.delete(key);
    const wanted = new Map<string, Wanted>();
    for (const [key, pod] of pods) {
      const options = this.#options(key, pod);
      if (options === undefined) continue;
      for (const text of pod.addresses) {
        const address = podAddressIfAny(text);
        if (address === undefined) continue;
        const other = wanted.get(address);
        if (other === undefined || precedes(other, { key, pod })) wanted.set(address, { key, pod, options });
      }
    }
    return wanted;
  }

  #options(key: string, pod: SourcePod): PodOptions | undefined {
    const before = this.#resolved.get(key);
    if (before?.pod === pod) return before.options;
    const resolved = this.#resolve(pod, before);
    this.#resolved.set(key, resolved);
    return resolved.options;
  }

  #resolve(pod: SourcePod, before: Resolved | undefined): Resolved {
    const strange = pod.addresses.filter(address => podAddressIfAny(address) === undefined);
    const problems = strange.map((address): PodRulesProblem => ({
      name: '',
      position: 0,
      entry: address,
      reason: `'${printable(address, 80)}' is not an IPv4 address that a pod has`,
    }));
    let options: PodOptions | undefined = pod.options;
    let consequence = 'its other addresses are enrolled';
    let cause: Error | undefined;
    if (pod.annotations !== undefined) {
      try {
        options = { ...pod.options, rules: this.rules(pod.annotations) };
      } catch (thrown) {
        cause = asError(thrown);
        problems.push(...problemsOf(cause));
        // The scope does not depend on the rules: use the current scope with the last valid rules.
        options = before?.options && { ...before.options, ...pod.options };
        consequence =
          options === undefined ? 'the pod is not enrolled until that is fixed' : 'its previous rules stay in force';
      }
    }
    const problem = problems.length === 0 ? undefined : JSON.stringify(firstProblems(problems));
    if (problem !== undefined && problem !== before?.problem)
      this.report(new PodRefusedError(pod.name, problems, consequence, { cause }));
    return { pod, options, problem };
  }
}

/** Whether a claimant takes an address from its holder. The answer is the same in every process and order. */
function precedes(holder: { key: string; pod: SourcePod }, claimant: { key: string; pod: SourcePod }): boolean {
  const difference = (claimant.pod.rank ?? 0) - (holder.pod.rank ?? 0);
  return difference === 0 ? claimant.key > holder.key : difference > 0;
}

function problemsOf(error: Error): PodRulesProblem[] {
  const { problems } = error as { problems?: readonly PodRulesProblem[] };
  if (Array.isArray(problems) && problems.length > 0) return [...(problems as readonly PodRulesProblem[])];
  return [{ name: '', position: 0, entry: undefined, reason: error.message }];
}
