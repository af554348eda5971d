import { resolve } from 'node:path';
import type { Pod } from './pod';
import { type Service, startService } from './service';
import { APPLICATION_UID } from './web-server';

export const STREAM_PORT = 9000;

/** Options of {@link startStreamServer}. */
export interface StreamServerOptions {
  readonly port?: number;
  readonly listen?: '0.0.0.0' | '::';
  /** What it does with a connection; see `apps/server.mjs` (default sum). */
  readonly mode?: 'sum' | 'echo' | 'sleep' | 'push';
  /** How long `sleep` reads nothing. */
  readonly seconds?: number;
  /** How much `push` sends. */
  readonly bytes?: number;
}

/** The client programs in `apps/`. */
export type StreamClient = 'sender' | 'reader' | 'burst' | 'peer';

/** What a server says it received. */
export interface Received {
  readonly bytes: number;
  readonly sha256: string;
  /** Position of the first byte that was not sent there, -1 if all are right. */
  readonly wrongAt: number;
}

/** What each client reports. */
export interface StreamReport {
  readonly sender: {
    readonly outcome: string;
    readonly sent: number;
    readonly seconds: number;
    readonly server: Received | null;
  };
  readonly reader: Received & { readonly outcome: string };
  readonly burst: {
    readonly connections: number;
    readonly ok: number;
    readonly outcomes: Readonly<Record<string, number>>;
  };
  readonly peer: {
    readonly outcome: string;
    readonly remote?: string;
    readonly local?: string;
    readonly family?: string;
    readonly answer: string;
  };
}

const app = (name: string): string => resolve(__dirname, 'apps', `${name}.mjs`);

/** Starts a stream server as a pod's application. */
export function startStreamServer(pod: Pod, options: StreamServerOptions = {}): Promise<Service> {
  const port = options.port ?? STREAM_PORT;
  return startService(pod, {
    name: `stream-${port}`,
    command: process.execPath,
    args: [app('server'), ...flags({ ...options, port })],
    uid: APPLICATION_UID,
    ports: [port],
  });
}

/** Runs a client program in a pod to its end, and returns what it reported, good or bad. */
export async function stream<C extends StreamClient>(
  pod: Pod,
  client: C,
  options: Readonly<Record<string, string | number>>,
  uid = APPLICATION_UID,
): Promise<StreamReport[C]> {
  const timeoutMs = (Number(options.timeout ?? 60) + 30) * 1000;
  const run = await pod.run(process.execPath, [app(client), ...flags(options)], { uid, timeoutMs });
  const line = run.stdout.trimEnd().split('\n').at(-1);
  if (!line)
    throw new Error(`${client} in pod ${pod.name} reported nothing (${run.code ?? run.signal}): ${run.stderr}`);
  return JSON.parse(line) as StreamReport[C];
}

function flags(options: object): string[] {
  return Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, `${value}`]));
}
