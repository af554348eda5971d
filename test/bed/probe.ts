import assert from 'node:assert/strict';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Pod } from './pod';
import { STREAM_PORT } from './stream';
import { APPLICATION_UID } from './web-server';

/** What {@link startProbe} saw. */
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

/**
 * Probes the echo server of a pod every 20 ms, beside a connection that stays; the result ends it and tells how it
 * went.
 */
export async function startProbe(from: Pod, to: Pod): Promise<() => Promise<ProbeReport>> {
  const program = resolve(__dirname, 'apps', 'probe.mjs');
  const child = from.spawn(process.execPath, [program, '--host', to.address, '--port', `${STREAM_PORT}`], {
    uid: APPLICATION_UID,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const { value } = await lines.next();
  if (value !== 'ready') throw new Error(`the probe in pod ${from.name} could not connect`);
  return async () => {
    child.stdin!.end();
    const { value: line } = (await lines.next()) as { value: string };
    if (child.exitCode === null) await once(child, 'exit');
    return JSON.parse(line) as ProbeReport;
  };
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
  assert.ok(probes > 300 && stream.received > 1 << 20);
}
