/** Two pods that stay, and the probe from one to the other. */
import { until } from '../kube/until';
import type { Kubectl } from './kubectl';
import { type RunningPod, accessLog, onlyPod } from './pods';
import type { ProbeReport } from '../bed/probe';
import { Probe } from './probe';
import { ECHO_PORT } from './workloads';

/** Connections of the client to the server, by the access logs of both sidecars. */
export interface Logged {
  readonly outbound: number;
  readonly inbound: number;
}

/** Pods of two Deployments, named `<name>-client` and `<name>-server`. */
export class Pair {
  #probe: Probe | undefined;

  private constructor(
    readonly kubectl: Kubectl,
    readonly name: string,
    readonly client: RunningPod,
    readonly server: RunningPod,
  ) {}

  static async of(kubectl: Kubectl, name: string): Promise<Pair> {
    return new Pair(kubectl, name, await onlyPod(kubectl, `${name}-client`), await onlyPod(kubectl, `${name}-server`));
  }

  /** Begins to probe. */
  async start(): Promise<void> {
    this.#probe = await Probe.start(this.kubectl, this.client, this.server, 17);
  }

  /** The probe that runs. */
  get probe(): Probe {
    if (this.#probe === undefined) throw new Error(`${this.name}: no probe runs`);
    return this.#probe;
  }

  /** Ends the probe, and fails if one of its connections did, or if a byte of the lasting one is missing. */
  async end(): Promise<ProbeReport> {
    const report = await this.probe.end();
    const { failures, stream } = report;
    if (failures.length > 0 || stream.wrongAt >= 0 || stream.ended !== '' || stream.received !== stream.sent)
      throw new Error(`the probe of ${this.name} failed: ${JSON.stringify(report)}`);
    return report;
  }

  async logged(): Promise<Logged> {
    const destination = `${this.server.address}:${ECHO_PORT}`;
    const count = async (pod: RunningPod, side: 'outbound' | 'inbound'): Promise<number> =>
      (await accessLog(this.kubectl, pod)).filter(
        each =>
          each.side === side && each.destination === destination && each.client.startsWith(`${this.client.address}:`),
      ).length;
    return { outbound: await count(this.client, 'outbound'), inbound: await count(this.server, 'inbound') };
  }

  /** Waits until both logs have at least so many: a proxy logs a connection when it has ended. */
  async untilLogged(count: number): Promise<Logged> {
    let logged: Logged = { outbound: 0, inbound: 0 };
    await until(`${count} connections of ${this.name} in both logs`, async () => {
      logged = await this.logged();
      return Math.min(logged.outbound, logged.inbound) >= count;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}, but ${JSON.stringify(logged)}`, { cause: error });
    });
    return logged;
  }
}
