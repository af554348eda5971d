/** A source of pods on a local server of its own. */
import { KubernetesPods, type KubernetesError, type KubernetesPodsOptions } from '../../src/kubernetes';
import { LocalServer } from './local-server';
import { PodClient } from './pod-client';
import { until } from './until';

/** A server, a source on it, and what it reports. */
export interface Scene {
  readonly server: LocalServer;
  readonly client: PodClient;
  readonly source: KubernetesPods;
  readonly errors: KubernetesError[];
  readonly disconnects: { reason: Error; ms: number }[];
  /** Whether the source has exactly these pods. */
  has(...names: string[]): boolean;
  /** Waits for that. */
  shows(...names: string[]): Promise<void>;
  create(name: string, address?: string): Promise<void>;
}

/** Soon, so that tests are. */
export const retry = { initialMs: 20, maxMs: 200, forbiddenMs: 300 };

/** Runs a test in one; `begin`: when the source is synced and watches. */
export async function scene(
  body: (scene: Scene) => Promise<void>,
  options: (server: LocalServer) => Partial<KubernetesPodsOptions> = () => ({}),
  begin = true,
): Promise<void> {
  const server = await LocalServer.start();
  const client = new PodClient(server);
  const source = new KubernetesPods({
    nodeName: 'worker',
    server: { url: server.url, ca: server.ca, token: server.adminToken },
    watchSeconds: 60,
    retry,
    ...options(server),
  });
  const errors: KubernetesError[] = [];
  const disconnects: { reason: Error; ms: number }[] = [];
  source
    .on('error', error => errors.push(error as KubernetesError))
    .on('disconnected', (reason, ms) => disconnects.push({ reason, ms }));
  let address = 0;
  const names = (): string[] => [...source.pods.values()].map(({ name }) => name.replace('default/', '')).sort();
  const has = (...expected: string[]): boolean => JSON.stringify(names()) === JSON.stringify(expected.sort());
  try {
    if (begin) {
      source.start();
      await source.synced;
      await until('a watch', () => server.watches === 1);
    }
    await body({
      server,
      client,
      source,
      errors,
      disconnects,
      has,
      shows: (...expected) => until(`pods ${expected.join(' ')}`, () => has(...expected)),
      create: (name, ip = `10.3.0.${++address}`) => client.create({ name, node: 'worker', ips: [ip] }),
    });
  } finally {
    await source.close();
    client.close();
    await server.close();
  }
}
