/** Steps under a probe: each is reported with what the probe, the programs and the node's pods did meanwhile. */
import { type AgentFigures, agentFigures, untilEnrolled } from './agent';
import type { Kubectl } from './kubectl';
import { type RunningPod, accessLog } from './pods';
import { Probe, type ProbeReport } from './probe';
import type { Report } from './report';
import { ECHO_PORT } from './workloads';

/** A probe from one pod to another, while the agent follows them. */
export class Watched {
  #last: AgentFigures;
  #passed = 0;

  private constructor(
    readonly kubectl: Kubectl,
    readonly report: Report,
    readonly client: RunningPod,
    readonly server: RunningPod,
    readonly probe: Probe,
    figures: AgentFigures,
  ) {
    this.#last = figures;
  }

  static async start(kubectl: Kubectl, report: Report, client: RunningPod, server: RunningPod): Promise<Watched> {
    const figures = await agentFigures(kubectl);
    const probe = await Probe.start(kubectl, client, server, 17);
    return new Watched(kubectl, report, client, server, probe, figures);
  }

  /** Does a step, then waits until exactly so many pods are enrolled, and that the probe's connections are redirected. */
  async step(name: string, pods: number, action: () => Promise<unknown>): Promise<void> {
    const result = await action();
    const figures = await untilEnrolled(this.kubectl, pods);
    const { passed, failed } = this.probe.now;
    const [probes, outbound, inbound, messages] = [
      passed - this.#passed,
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
    if (failed > 0) throw new Error(`${failed} probes failed`);
    if (probes === 0) throw new Error('no probe passed');
    if (Math.min(outbound, inbound) + IN_FLIGHT < probes || messages === 0)
      throw new Error('connections were not redirected, or nothing was accelerated');
  }

  /** How many of its connections both sidecars have logged. */
  async logged(): Promise<{ outbound: number; inbound: number }> {
    const destination = `${this.server.address}:${ECHO_PORT}`;
    const count = async (pod: RunningPod, side: 'outbound' | 'inbound'): Promise<number> =>
      (await accessLog(this.kubectl, pod)).filter(
        each =>
          each.side === side && each.destination === destination && each.client.startsWith(`${this.client.address}:`),
      ).length;
    return { outbound: await count(this.client, 'outbound'), inbound: await count(this.server, 'inbound') };
  }

  /** Ends the probe, and fails if one of its connections did, or if a byte of the lasting one is missing. */
  async end(): Promise<ProbeReport> {
    const report = await this.probe.end();
    const { failures, stream } = report;
    if (failures.length > 0 || stream.wrongAt >= 0 || stream.ended !== '' || stream.received !== stream.sent)
      throw new Error(`the probe failed: ${JSON.stringify(report)}`);
    return report;
  }
}

/** Probes that have passed since the last 50 ms, and are not in {@link Probe.now} yet: with room for a slow machine. */
const IN_FLIGHT = 50;
