/**
 * Connections from one pod to another every 20 ms, and one that lasts: test/bed/apps/probe.mjs in the pod, by
 * `kubectl exec`.
 */
import type { ChildProcess } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { readProbe, type ProbeReport, type Progress } from '../bed/probe';
import { until } from '../kube/until';
import type { Kubectl } from './kubectl';
import type { RunningPod } from './pods';
import { APPLICATION, ECHO_PORT } from './workloads';

/** A probe that runs. */
export class Probe {
  /** How it stood when it last said. */
  now: Progress = { passed: 0, failed: 0, received: 0 };
  readonly #child: ChildProcess;
  #hasEnded = false;
  #report: ProbeReport | undefined;
  #errors = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.once('close', () => (this.#hasEnded = true));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
    readProbe(child, {
      progress: said => (this.now = said),
      report: said => (this.#report = said),
    });
  }

  /** Starts one; resolves when its lasting connection stands. */
  static async start(kubectl: Kubectl, from: RunningPod, to: RunningPod, seed: number): Promise<Probe> {
    const command = ['node', 'probe.mjs', '--host', to.address, '--port', `${ECHO_PORT}`, '--seed', `${seed}`];
    const probe = new Probe(kubectl.spawn(['exec', '-i', from.name, '-c', APPLICATION, '--', ...command], 'pipe'));
    let stands = false;
    probe.#child.stdout!.once('data', () => (stands = true));
    await until('the probe connects', () => {
      if (probe.#hasEnded) throw new Error(`the probe ended before it began: ${probe.#errors}`);
      return stands;
    });
    return probe;
  }

  /** One that runs for a while. */
  static async run(kubectl: Kubectl, from: RunningPod, to: RunningPod, milliseconds: number): Promise<ProbeReport> {
    const probe = await Probe.start(kubectl, from, to, 1);
    await setTimeout(milliseconds);
    return probe.end();
  }

  /** Lets it finish. */
  async end(): Promise<ProbeReport> {
    this.#child.stdin!.end();
    await until('the end of the probe', () => this.#hasEnded);
    if (this.#report === undefined) throw new Error(`the probe ended without a report: ${this.#errors}`);
    return this.#report;
  }
}
