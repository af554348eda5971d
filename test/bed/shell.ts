import { spawnSync } from 'node:child_process';
import { patienceFor } from './slowness';

/** Where the tools are: a root shell that came by `su` has no sbin in its PATH. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What went wrong in an administrative command: the command line and what it said. */
export class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    command: string,
    readonly status: number | null,
    readonly stderr: string,
  ) {
    super(`${command} failed (${status ?? 'not started'}): ${stderr.trim() || 'no output'}`);
  }
}

/**
 * Runs a short administrative command and returns its output.
 *
 * Synchronous on purpose: the same code must work in an `exit` handler, where nothing asynchronous runs any more. It
 * does not end with this process, as the children in children.ts do: what takes milliseconds comes to its end rather
 * than to half of it.
 */
export function sh(command: string, args: readonly string[], input?: string): string {
  const run = spawnSync(command, args, {
    input,
    encoding: 'utf8',
    maxBuffer: 16 << 20,
    env: { PATH: SYSTEM_PATH, LC_ALL: 'C' },
  });
  if (run.error) throw new CommandError([command, ...args].join(' '), null, run.error.message);
  if (run.status !== 0) throw new CommandError([command, ...args].join(' '), run.status, run.stderr);
  return run.stdout;
}

/** Runs many `ip` commands in one process, which is several times quicker than one process each. */
export function ipBatch(lines: readonly string[], netns?: string): void {
  sh('ip', [...(netns ? ['-n', netns] : []), '-batch', '-'], lines.join('\n') + '\n');
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread: for the few waits of the synchronous clean-up. */
export function sleepSync(milliseconds: number): void {
  Atomics.wait(sleeper, 0, 0, milliseconds);
}

/**
 * For {@link until}, where the limit is no promise of the library: beside a busy loop on every CPU it is not reached.
 */
export const PATIENCE_MS = 60_000;

/**
 * Waits until `probe` gives something, asking every few milliseconds. On a slow machine `timeoutMs` is longer: see
 * {@link patienceFor}.
 */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs: number = PATIENCE_MS,
  detail: () => string = () => '',
): Promise<T> {
  const limit = patienceFor(timeoutMs);
  const end = Date.now() + limit;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${limit} ms${detail()}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}
