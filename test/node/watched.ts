/** Steps under probes: each is reported with what the probes, the programs and the agent did meanwhile. */
import { type AgentFigures, agentFigures, untilEnrolled } from './agent';
import type { Kubectl } from './kubectl';
import type { Pair } from './pair';
import type { Report } from './report';

/** Probes that have passed but have not been told yet: they tell every 50 ms, and a machine may be slow. */
const UNTOLD = 25;

/** Pairs of pods under a probe each, while the agent follows the pods of the node. */
export class Watched {
  #last: AgentFigures;
  #passed = 0;

  private constructor(
    readonly kubectl: Kubectl,
    readonly report: Report,
    readonly pairs: readonly Pair[],
    figures: AgentFigures,
  ) {
    this.#last = figures;
  }

  static async start(kubectl: Kubectl, report: Report, pairs: readonly Pair[]): Promise<Watched> {
    const figures = await agentFigures(kubectl);
    await Promise.all(pairs.map(pair => pair.start()));
    return new Watched(kubectl, report, pairs, figures);
  }

  /** Does a step, then waits until exactly so many pods are enrolled, and that the connections were redirected. */
  async step(name: string, pods: number, action: () => Promise<unknown>): Promise<void> {
    const result = await action();
    const figures = await untilEnrolled(this.kubectl, pods);
    const sum = (what: 'passed' | 'failed'): number =>
      this.pairs.reduce((total, { probe }) => total + probe.now[what], 0);
    const [passed, failed] = [sum('passed'), sum('failed')];
    const probes = passed - this.#passed;
    const [outbound, inbound, messages] = [
      figures.outbound - this.#last.outbound,
      figures.inbound - this.#last.inbound,
      figures.messages - this.#last.messages,
    ];
    this.#passed = passed;
    this.#last = figures;
    this.report.done(
      `${name}${typeof result === 'string' ? `, ${result}` : ''}: ${probes} probes, ${failed} failed; ` +
        `${pods} pods enrolled, ${outbound} + ${inbound} connections redirected, ${messages} messages by socket`,
    );
    if (failed > 0) await Promise.all(this.pairs.map(pair => pair.end())); // fails with what they say
    if (probes === 0) throw new Error('no probe passed');
    if (Math.min(outbound, inbound) + UNTOLD < probes || messages === 0)
      throw new Error('connections were not redirected, or nothing was accelerated');
  }
}
