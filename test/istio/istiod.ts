/** istiod, installed by istioctl and run as its Deployment says, in this process's network namespace. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../bed/shell';
import { execFileSync } from '../bed/children';
import type { Manifest } from '../kube/manifests';
import { kubeconfig } from '../kube/kubeconfig';
import { Program } from '../kube/programs';
import { Cluster } from './cluster';
import { environmentOf, type Container } from './container';
import { istioProgram } from './programs';

const NAMESPACE = 'istio-system';
const PORTS = { 'grpc-xds': 15010, 'https-dns': 15012, 'https-webhook': 15017, 'http-monitoring': 15014 };

interface Deployment {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly [Container] } } };
}

export class Istiod {
  #program: Program | undefined;

  private constructor(
    private readonly directory: string,
    private readonly container: Container,
  ) {}

  /** Installs it into the cluster and starts it; `address` is where pods and the API server find it. */
  static async install(cluster: Cluster, directory: string, address: string): Promise<Istiod> {
    const rendered = Cluster.read(
      execFileSync(istioProgram('istioctl'), ['manifest', 'generate', '-f', join(__dirname, 'installation.yaml')], {
        encoding: 'utf8',
        maxBuffer: 1 << 25,
        timeout: 60_000,
        env: { HOME: directory, PATH: process.env.PATH },
      }),
    );
    await cluster.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      ...rendered,
      endpoints(address),
    ]);
    const find = (kind: string, name: string): Manifest => {
      const found = rendered.find(each => each.kind === kind && each.metadata.name === name);
      if (!found) throw new Error(`istioctl renders no ${kind} ${name}`);
      return found;
    };
    const { mesh } = find('ConfigMap', 'istio').data as { mesh: string };
    mkdirSync(join(directory, 'etc/istio/config'), { recursive: true });
    writeFileSync(join(directory, 'etc/istio/config/mesh'), mesh);
    // With its own service account, so that Istio's own RBAC applies.
    const token = await cluster.token({ namespace: NAMESPACE, name: 'istiod' });
    const { url, ca } = cluster.server;
    writeFileSync(join(directory, 'kubeconfig'), kubeconfig({ url, ca, token }), { mode: 0o600 });
    const deployment = find('Deployment', 'istiod') as unknown as Deployment;
    const istiod = new Istiod(directory, deployment.spec.template.spec.containers[0]);
    await istiod.start();
    return istiod;
  }

  /** Starts it and waits until it is ready. */
  async start(): Promise<void> {
    const { KUBECONFIG: _, ...environment } = environmentOf(this.container, {
      'metadata.name': 'istiod-test',
      'metadata.namespace': NAMESPACE,
      'spec.serviceAccountName': 'istiod',
    });
    const args = [...(this.container.args ?? []), `--kubeconfig=${join(this.directory, 'kubeconfig')}`];
    const program = new Program('istiod', this.directory, istioProgram('pilot-discovery'), args, environment);
    this.#program = program;
    const ready = (): Promise<boolean> =>
      fetch('http://127.0.0.1:8080/ready', { signal: AbortSignal.timeout(1000) }).then(
        ({ status }) => status === 200,
        () => false,
      );
    await until('istiod is ready', () => {
      if (!program.running) throw new Error(`istiod ended${program.tail()}`);
      return ready();
    });
  }

  async stop(): Promise<void> {
    await this.#program?.end();
  }

  tail(): string {
    return this.#program?.tail() ?? '';
  }
}

/** Nobody else makes them: there is no controller manager. */
function endpoints(address: string): Manifest {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'istiod-1', namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': 'istiod' } },
    addressType: 'IPv4',
    ports: Object.entries(PORTS).map(([name, port]) => ({ name, port, protocol: 'TCP' })),
    endpoints: [{ addresses: [address], conditions: { ready: true, serving: true } }],
  };
}
