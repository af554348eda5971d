import { resolve } from 'node:path';
import type { Pod } from './pod';
import { type Service, startService } from './service';
import { APPLICATION_UID } from './web-server';

const app = (name: string): string => resolve(__dirname, 'apps', name);

/** What a reader of `apps/crossing.py` says that it got. */
export interface Crossing {
  readonly bytes: number;
  /** Where the first wrong byte is, -1 if all are right. */
  readonly wrongAt: number;
  readonly reads: number;
  /** Reads that gave less than was asked for. */
  readonly short: number;
}

/** What the sender saw: the reader's answer, and how long it took from the first byte to the answer. */
export interface Crossed extends Crossing {
  readonly seconds: number;
}

/** A reader that takes a short read for "drained" until the next edge, or, together with EPOLLRDHUP, for the end. */
export function startShortReader(
  pod: Pod,
  port: number,
  delaySeconds: number,
  kind: { readonly edgeUntil: number } | 'hangup',
): Promise<Service> {
  const args =
    kind === 'hangup'
      ? ['hangup', `${port}`, `${delaySeconds}`]
      : ['edge', `${port}`, `${delaySeconds}`, `${kind.edgeUntil}`];
  return startService(pod, {
    name: `crossing-${port}`,
    command: 'python3',
    args: [app('crossing.py'), ...args],
    uid: APPLICATION_UID,
    ports: [port],
  });
}

/** Sends `bytes` at once. With `close` there is no answer: read what the reader printed. */
export async function cross(
  pod: Pod,
  host: string,
  port: number,
  bytes: number,
  keep: 'open' | 'half' | 'close',
): Promise<Crossed | undefined> {
  const run = await pod.run('python3', [app('crossing.py'), 'send', host, `${port}`, `${bytes}`, keep], {
    uid: APPLICATION_UID,
    timeoutMs: 60_000,
  });
  if (run.code !== 0)
    throw new Error(`crossing.py in pod ${pod.name} failed (${run.code ?? run.signal}): ${run.stderr}`);
  return run.stdout === '' ? undefined : (JSON.parse(run.stdout) as Crossed);
}

/** What `apps/echoes.mjs` reports: all streams together, and each that came back wrong. */
export interface Echoes {
  readonly streams: number;
  readonly bytes: number;
  readonly bad: readonly object[];
}

/** Streams of random sizes to an echo server and back. */
export async function echoes(pod: Pod, options: Readonly<Record<string, string | number>>): Promise<Echoes> {
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const run = await pod.run(process.execPath, [app('echoes.mjs'), ...flags], {
    uid: APPLICATION_UID,
    timeoutMs: 150_000,
  });
  if (run.stdout === '')
    throw new Error(`echoes.mjs in pod ${pod.name} reported nothing (${run.code ?? run.signal}): ${run.stderr}`);
  return JSON.parse(run.stdout) as Echoes;
}
