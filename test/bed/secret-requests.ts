import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Pod } from './pod';
import { type Service, startService } from './service';
import { APPLICATION_UID } from './web-server';

const APP = resolve(__dirname, 'apps', 'secret-requests.py');

/** How requests went that each carry a secret of their own. */
export interface SecretRequests {
  readonly answered: number;
  /** Answered with another one's secret. */
  readonly wrong: number;
  /** By reason: an error's name, or `TimeoutError`. */
  readonly lost: Readonly<Record<string, number>>;
}

/** Requests that go on until they are told to end. */
export interface SecretClient extends Disposable {
  end(): Promise<SecretRequests>;
}

/** Options of {@link startSecretServer}. */
export interface SecretServerOptions {
  /** Filling behind the secret of each answer (default 0). */
  readonly fillBytes?: number;
  /** What an answer begins with. Only `answer`, the default, is right: another word tells one server from another. */
  readonly word?: string;
}

/** Answers each request with its secret. */
export function startSecretServer(
  pod: Pod,
  port: number,
  { fillBytes = 0, word = 'answer' }: SecretServerOptions = {},
): Promise<Service> {
  return startService(pod, {
    name: `secrets-${port}`,
    command: 'python3',
    args: [APP, 'server', `${port}`, `${fillBytes}`, word],
    uid: APPLICATION_UID,
    ports: [port],
  });
}

/** Asks on several connections at once; returns when all of them stand. */
export async function startSecretClient(from: Pod, to: Pod, port: number, connections: number): Promise<SecretClient> {
  const child = from.spawn('python3', [APP, 'client', to.address, `${port}`, `${connections}`], {
    uid: APPLICATION_UID,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  if ((await lines.next()).value !== 'ready') throw new Error(`the client in pod ${from.name} could not connect`);
  return {
    async end() {
      child.stdin!.end();
      const { value } = (await lines.next()) as { value: string };
      if (child.exitCode === null) await once(child, 'exit');
      return JSON.parse(value) as SecretRequests;
    },
    [Symbol.dispose]() {
      child.kill('SIGKILL');
    },
  };
}

/** Makes all connections at once, with one request each. */
export async function secretBurst(from: Pod, to: Pod, port: number, connections: number): Promise<SecretRequests> {
  const run = await from.run('python3', [APP, 'burst', to.address, `${port}`, `${connections}`], {
    uid: APPLICATION_UID,
    timeoutMs: 90_000,
  });
  const line = run.stdout.trimEnd().split('\n').at(-1);
  if (run.code !== 0 || !line)
    throw new Error(`the burst in pod ${from.name} failed (${run.code ?? run.signal}): ${run.stderr}`);
  return JSON.parse(line) as SecretRequests;
}
