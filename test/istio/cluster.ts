/** The API server as an administrator uses it: server-side apply of any kind of object. */
import { parseAllDocuments } from 'yaml';
import type { Manifest } from '../kube/manifests';
import { KubeError, bodyOf } from '../kube/request';
import type { ApiServer } from '../kube/server';

interface Resources {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

export class Cluster {
  readonly #paths = new Map<string, string>();

  constructor(readonly server: ApiServer) {}

  /** Objects of a YAML text with several documents. */
  static read(text: string): Manifest[] {
    return parseAllDocuments(text)
      .map(document => document.toJS() as Manifest | null)
      .filter(manifest => manifest !== null);
  }

  /** Creates objects, or changes them; kinds of a definition among them are known a moment later. */
  async apply(manifests: readonly Manifest[]): Promise<void> {
    for (const manifest of manifests) {
      for (let attempt = 0; ; attempt++) {
        try {
          const path = await this.path(manifest);
          await this.#patch('application/apply-patch+yaml', `${path}?fieldManager=test&force=true`, manifest);
          break;
        } catch (error) {
          if (!(error instanceof KubeError) || error.status !== 404 || attempt === 100) throw error;
          await new Promise(resolve => setTimeout(resolve, 100));
        }
      }
    }
  }

  /** One request; rejects for a status of 400 and above. */
  request<T>(method: string, path: string, body?: unknown): Promise<T> {
    return this.server.request(method, path, body) as Promise<T>;
  }

  /** Changes a part of an object, such as its status. */
  merge(path: string, change: unknown): Promise<unknown> {
    return this.#patch('application/merge-patch+json', path, change);
  }

  /** A token for a service account, and for a pod alone if it is given. */
  async token(
    { namespace, name }: { readonly namespace: string; readonly name: string },
    spec: Record<string, unknown> = {},
  ): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const answered = await this.request<{ status: { token: string } }>('POST', path, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 36_000, ...spec },
    });
    return answered.status.token;
  }

  /** Path of an object, by what the server says of its kind. */
  async path({ apiVersion, kind, metadata }: Manifest): Promise<string> {
    const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const key = `${group} ${kind}`;
    if (!this.#paths.has(key)) {
      const { resources } = await this.request<Resources>('GET', group);
      for (const { name, kind: each, namespaced } of resources)
        if (!name.includes('/'))
          this.#paths.set(`${group} ${each}`, `${namespaced ? '/namespaces/NAMESPACE' : ''}/${name}`);
    }
    const path = this.#paths.get(key);
    if (path === undefined) throw new KubeError('GET', group, 404, `no ${kind} in ${apiVersion}`);
    return `${group}${path.replace('NAMESPACE', metadata.namespace ?? 'default')}/${metadata.name}`;
  }

  #patch(contentType: string, path: string, body: unknown): Promise<unknown> {
    const { url, ca, adminToken: token } = this.server;
    return bodyOf({ url, ca, token, method: 'PATCH', path, body, contentType });
  }
}
