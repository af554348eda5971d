import type { Pod } from './pod';
import { PATIENCE_MS } from './shell';
import { APPLICATION_UID } from './web-server';

/** Options of {@link load}. */
export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly threads?: number;
  /** A new connection for every request (default false). */
  readonly close?: boolean;
  readonly uid?: number;
}

/** What wrk measured. */
export interface LoadResult {
  readonly requests: number;
  readonly qps: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Requests that failed: socket errors of any kind, and answers other than 2xx or 3xx. */
  readonly errors: number;
  readonly socketErrors: {
    readonly connect: number;
    readonly read: number;
    readonly write: number;
    readonly timeout: number;
  };
  readonly badStatus: number;
}

/** Loads an address from a pod with wrk, as the pod's application. */
export async function load(pod: Pod, options: LoadOptions): Promise<LoadResult> {
  const { url, connections, seconds, threads = 1, close = false, uid = APPLICATION_UID } = options;
  const run = await pod.run(
    'wrk',
    [
      '--latency',
      '-t',
      `${threads}`,
      '-c',
      `${connections}`,
      '-d',
      `${seconds}s`,
      ...(close ? ['-H', 'Connection: close'] : []),
      url,
    ],
    { uid, timeoutMs: seconds * 1000 + PATIENCE_MS },
  );
  if (run.code !== 0)
    throw new Error(`wrk in pod ${pod.name} failed (${run.code ?? run.signal}): ${run.stderr}${run.stdout}`);
  return parseWrk(run.stdout);
}

export function parseWrk(text: string): LoadResult {
  const socket = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const [connect = 0, read = 0, write = 0, timeout = 0] = socket ? socket.slice(1).map(Number) : [];
  const badStatus = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  return {
    requests: Number(field(text, /^\s*(\d+) requests in /m)),
    qps: Number(field(text, /^Requests\/sec:\s+([\d.]+)/m)),
    p50: milliseconds(field(text, /^\s+50%\s+(\S+)/m)),
    p99: milliseconds(field(text, /^\s+99%\s+(\S+)/m)),
    errors: connect + read + write + timeout + badStatus,
    socketErrors: { connect, read, write, timeout },
    badStatus,
  };
}

function field(text: string, pattern: RegExp): string {
  const value = pattern.exec(text)?.[1];
  if (value === undefined) throw new Error(`unexpected output of wrk:\n${text}`);
  return value;
}

function milliseconds(time: string): number {
  const match = /^([\d.]+)(us|ms|s|m)$/.exec(time);
  if (!match) throw new Error(`unexpected time in the output of wrk: ${time}`);
  return Number(match[1]) * { us: 0.001, ms: 1, s: 1000, m: 60_000 }[match[2] as 'us' | 'ms' | 's' | 'm'];
}
