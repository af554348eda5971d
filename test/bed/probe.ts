import assert from 'node:assert/strict';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { ChildProcess } from 'node:child_process';
import type { Pod } from './pod';
import type { Random } from './random';
import { until } from './shell';
import { STREAM_PORT } from './stream';
import { APPLICATION_UID } from './web-server';

/** What a {@link Probe} saw. */
export interface ProbeReport {
  readonly probes: number;
  readonly failures: readonly { readonly number: number; readonly reason: string; readonly at: number }[];
  /** Milliseconds of the slowest one. */
  readonly slowest: number;
  /** The connection that stayed. */
  readonly stream: {
    readonly sent: number;
    readonly received: number;
    readonly wrongAt: number;
    readonly ended: string;
  };
}

/** What it says while it runs, every 50 ms. */
export interface Progress {
  readonly passed: number;
  readonly failed: number;
  /** Bytes, on the connection that stays. */
  readonly received: number;
}

/** Hands over what `apps/probe.mjs` says while it runs, and its report at the end. */
export function readProbe(
  child: ChildProcess,
  { progress, report }: { progress(said: Progress): void; report(said: ProbeReport): void },
): void {
  createInterface({ input: child.stdout! }).on('line', line => {
    const said = JSON.parse(line) as Progress | ProbeReport;
    if ('probes' in said) report(said);
    else progress(said);
  });
}

/** How many probes and bytes there are at the end, so that there was something to be harmed. */
const LEAST: Progress = { passed: 300, failed: 0, received: 1 << 20 };

/** Dials the echo server of a pod every 20 ms, beside a connection that stays. */
export class Probe {
  #progress: Progress | undefined;
  #report: ProbeReport | undefined;

  private constructor(private readonly child: ChildProcess) {
    readProbe(child, {
      progress: said => (this.#progress = said),
      report: said => (this.#report = said),
    });
  }

  /** Starts it, and waits until the connection that stays is there. */
  static async start(from: Pod, to: Pod, random: Random): Promise<Probe> {
    const program = resolve(__dirname, 'apps', 'probe.mjs');
    const args = ['--host', to.address, '--port', `${STREAM_PORT}`, '--seed', `${random.below(2 ** 31)}`];
    const child = from.spawn(process.execPath, [program, ...args], {
      uid: APPLICATION_UID,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const probe = new Probe(child);
    await until(`the probe in pod ${from.name} connects`, () => probe.#progress !== undefined);
    return probe;
  }

  /** Waits until so many more probes have passed; sooner if one fails, which {@link end} tells. */
  async more(count: number): Promise<void> {
    const wanted = this.#now().passed + count;
    await until(
      `${wanted} probes`,
      () => this.#now().passed >= wanted || this.#now().failed > 0,
      undefined,
      () => `: ${JSON.stringify(this.#now())}`,
    );
  }

  /** Waits until there was enough to be harmed, ends both, and tells how it went. */
  async end(): Promise<ProbeReport> {
    await this.more(Math.max(0, LEAST.passed - this.#now().passed));
    await until(
      'bytes of the connection that stays',
      () => this.#now().received > LEAST.received || this.#now().failed > 0,
    ).catch(() => undefined); // the report tells why
    this.child.stdin!.end();
    const report = await until('the report of the probe', () => this.#report);
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return report;
  }

  #now(): Progress {
    if (this.child.exitCode !== null) throw new Error(`the probe ended by itself (${this.child.exitCode})`);
    return this.#progress!;
  }
}

/**
 * Tells how it went, then holds that no probe failed and that the connection that stayed has lost nothing; and that
 * both were there to be harmed.
 */
export function assertUnharmed({ probes, failures, slowest, stream }: ProbeReport, tell: (line: string) => void): void {
  tell(
    `${probes} probes, ${failures.length} failed, slowest ${slowest} ms; ${stream.received} bytes echoed on the one that stayed`,
  );
  assert.deepEqual(failures, []);
  assert.deepEqual(
    { ...stream, sent: stream.sent - stream.received },
    { sent: 0, received: stream.received, wrongAt: -1, ended: '' },
  );
  assert.ok(probes >= LEAST.passed && stream.received > LEAST.received);
}
