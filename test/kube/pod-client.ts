/**
 * Makes, changes and deletes pods by plain requests, on any API server; many at a time, and through cuts and restarts.
 */
import { Agent, request } from 'node:https';
import { setTimeout } from 'node:timers/promises';
import type { ApiServer } from './server';

/** What a pod of a test is like. Without `sidecar: false` it has a sidecar of Istio. */
export interface PodShape {
  readonly name: string;
  readonly namespace?: string;
  readonly node: string;
  readonly ips?: readonly string[];
  readonly phase?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly sidecar?: false | 'native';
  readonly hostNetwork?: boolean;
}

export class PodClient {
  readonly #agent: Agent;

  constructor(
    private readonly server: ApiServer,
    connections = 16,
  ) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  async createNamespace(name: string): Promise<void> {
    await this.#call('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }

  /** Creates it, and gives it its status as a kubelet would. */
  async create(shape: PodShape): Promise<void> {
    await this.#call('POST', path(shape), podOf(shape));
    if (shape.ips !== undefined || shape.phase !== undefined) await this.status(shape, statusOf(shape));
  }

  async status(pod: Pick<PodShape, 'name' | 'namespace'>, status: Record<string, unknown>): Promise<void> {
    await this.#call('PATCH', `${path(pod, pod.name)}/status`, { status });
  }

  /** A value of null takes an annotation away. */
  async annotate(pod: Pick<PodShape, 'name' | 'namespace'>, annotations: Record<string, string | null>): Promise<void> {
    await this.#call('PATCH', path(pod, pod.name), { metadata: { annotations } });
  }

  async delete(pod: Pick<PodShape, 'name' | 'namespace'>): Promise<void> {
    await this.#call('DELETE', path(pod, pod.name), { gracePeriodSeconds: 0 });
  }

  /** Ends the connections. */
  close(): void {
    this.#agent.destroy();
  }

  /** Tries again while the server is away; what the lost attempt had done already is not an error. */
  async #call(method: string, target: string, body: unknown): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        const { status, text } = await this.#once(method, target, JSON.stringify(body));
        if (status < 300) return;
        if (attempt > 0 && ((method === 'POST' && status === 409) || (method === 'DELETE' && status === 404))) return;
        // RBAC is not there right after a start.
        const passing = status === 429 || status >= 500 || status === 409 || status === 401 || status === 403;
        if (!passing || attempt === 100) throw new Error(`${method} ${target}: ${status} ${text}`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === undefined || attempt === 100) throw error;
      }
      await setTimeout(20 + attempt * 5);
    }
  }

  #once(method: string, target: string, payload: string): Promise<{ status: number; text: string }> {
    const { url, ca, adminToken } = this.server;
    return new Promise((resolve, reject) => {
      const call = request(
        new URL(target, url),
        {
          agent: this.#agent,
          ca,
          method,
          timeout: 20_000,
          headers: {
            accept: 'application/json',
            authorization: `Bearer ${adminToken}`,
            'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
            'content-length': Buffer.byteLength(payload),
          },
        },
        response => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          response.once('error', reject).once('end', () => resolve({ status: response.statusCode ?? 0, text }));
        },
      );
      call
        .once('error', reject)
        .once('timeout', () => call.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
      call.end(payload);
    });
  }
}

function path({ namespace = 'default' }: Pick<PodShape, 'namespace'>, name?: string): string {
  return `/api/v1/namespaces/${namespace}/pods${name === undefined ? '' : `/${name}`}`;
}

/** The pod as it is created; its status comes later. */
export function podOf({
  name,
  namespace = 'default',
  node,
  annotations = {},
  sidecar,
  hostNetwork,
}: PodShape): Record<string, unknown> {
  const proxy = { name: 'istio-proxy', image: 'proxy', args: ['proxy', 'sidecar'] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      annotations: { ...(sidecar !== false && { 'sidecar.istio.io/status': '{}' }), ...annotations },
    },
    spec: {
      nodeName: node,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      ...(hostNetwork === true && { hostNetwork }),
      containers: [{ name: 'app', image: 'app' }, ...(sidecar === undefined ? [proxy] : [])],
      ...(sidecar === 'native' && { initContainers: [{ ...proxy, restartPolicy: 'Always' }] }),
    },
  };
}

/** The status that a kubelet would report. */
export function statusOf({ ips = [], phase = 'Running' }: PodShape): Record<string, unknown> {
  return { phase, podIP: ips[0] ?? null, podIPs: ips.map(ip => ({ ip })) };
}
