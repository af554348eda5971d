import { firstProblems, printable, type PodRulesProblem } from '../errors';
import { podAddressIfAny, type PodOptions, type PodRules } from '../policy';
import { PodRefusedError } from './errors';
import { asError } from './report';
import type { SourcePod } from './pod-source';

/** Makes a pod's rules of its annotations; throws with `problems` if they make no sense. */
export type RulesOfAnnotations = (annotations: Readonly<Record<string, string>>) => PodRules;

/** What one address shall get, and because of which pod. */
export interface Wanted {
  readonly key: string;
  readonly pod: SourcePod;
  readonly options: PodOptions;
}

/** What was made of a pod: its options, or those of before if it cannot be done; undefined if it never could. */
interface Resolved {
  readonly pod: SourcePod;
  readonly options: PodOptions | undefined;
  readonly problem: string | undefined;
}

/**
 * Turns the pods of a source into what the table shall hold, by address.
 *
 * @internal
 */
export class WantedPods {
  readonly #resolved = new Map<string, Resolved>();

  constructor(
    private readonly rules: RulesOfAnnotations,
    private readonly report: (error: PodRefusedError) => void,
  ) {}

  /** The whole of it, computed anew: a pod that did not change costs a look-up. */
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
        // The scope is a thing of its own: that of now, with the rules that were good.
        options = before?.options && { ...before.options, ...pod.options };
        consequence =
          options === undefined ? 'the pod is left out until that is mended' : 'its rules of before stay in force';
      }
    }
    const problem = problems.length === 0 ? undefined : JSON.stringify(firstProblems(problems));
    if (problem !== undefined && problem !== before?.problem)
      this.report(new PodRefusedError(pod.name, problems, consequence, { cause }));
    return { pod, options, problem };
  }
}

/** Whether an address goes from one pod to the other; the same answer in every process and order. */
function precedes(holder: { key: string; pod: SourcePod }, claimant: { key: string; pod: SourcePod }): boolean {
  const difference = (claimant.pod.rank ?? 0) - (holder.pod.rank ?? 0);
  return difference === 0 ? claimant.key > holder.key : difference > 0;
}

function problemsOf(error: Error): PodRulesProblem[] {
  const { problems } = error as { problems?: readonly PodRulesProblem[] };
  if (Array.isArray(problems) && problems.length > 0) return [...(problems as readonly PodRulesProblem[])];
  return [{ name: '', position: 0, entry: undefined, reason: error.message }];
}
