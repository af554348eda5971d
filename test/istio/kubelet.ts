/**
 * What a kubelet does for one Pod, without a container runtime: init containers in their order, then the others, each
 * with its command, environment and user, in a network namespace and cgroup of the bed.
 */
import { chownSync, closeSync, copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SIDECAR_UID, envoyBinary, type Bed, type Pod } from '../bed';
import { cgroupProcesses } from '../bed/cgroup';
import { reachFlags } from '../bed/reach';
import { SYSTEM_PATH, until } from '../bed/shell';
import type { Manifest } from '../kube/manifests';
import type { Cluster } from './cluster';
import { environmentOf, expanded, type Container } from './container';
import { istioProgram } from './programs';

export const NODE = 'worker';
/** Mounted into the proxy's container, or written by its image. Paths of pilot-agent are relative to its directory. */
const PROXY_FOLDERS = [
  'var/run/secrets/workload-spiffe-uds',
  'var/run/secrets/workload-spiffe-credentials',
  'var/run/secrets/credential-uds',
  'var/run/secrets/istio',
  'var/run/secrets/tokens',
  'var/lib/istio/data',
  'var/lib/istio/envoy',
  'etc/istio/proxy',
  'etc/istio/pod',
];
/** Enters the container's cgroup, gives it its own /etc/hosts, and becomes the program. */
const ENTER = 'echo $$ > "$0/cgroup.procs" && mount --bind "$1" /etc/hosts && cd "$2" && shift 2 && exec "$@"';

interface ApiPod extends Manifest {
  readonly metadata: Manifest['metadata'] & { readonly uid: string; readonly annotations?: Record<string, string> };
  readonly spec: {
    readonly serviceAccountName: string;
    readonly initContainers?: readonly Container[];
    readonly containers: readonly Container[];
  };
}

export interface KubeletOptions {
  /** Addresses of names, as DNS would give them. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Whether istio-init writes its rules; without, as behind a CNI plug-in that leaves redirection to the library. */
  readonly rules: boolean;
}

/** A Pod that runs. */
export class RunningPod {
  readonly #directory: string;

  private constructor(
    readonly name: string,
    readonly pod: Pod,
    private readonly api: ApiPod,
    private readonly cluster: Cluster,
    private readonly options: KubeletOptions,
  ) {
    this.#directory = join(pod.directory, name);
  }

  /** Creates the Pod, which the webhook may inject, and its network namespace; nothing runs in it yet. */
  static async create(bed: Bed, cluster: Cluster, manifest: Manifest, options: KubeletOptions): Promise<RunningPod> {
    const { name, namespace = 'default' } = manifest.metadata;
    const pods = `/api/v1/namespaces/${namespace}/pods`;
    const api = await cluster.request<ApiPod>('POST', pods, manifest);
    // A cgroup by this name is how the library finds the cgroup of a pod.
    const pod = bed.pod(`pod${api.metadata.uid}`);
    const running = new RunningPod(name, pod, api, cluster, options);
    await cluster.merge(`${pods}/${name}/status`, {
      status: {
        phase: 'Running',
        podIP: pod.address,
        podIPs: [{ ip: pod.address }],
        conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(type => ({ type, status: 'True' })),
      },
    });
    return running;
  }

  get address(): string {
    return this.pod.address;
  }

  get isInjected(): boolean {
    return this.#containers().some(({ name }) => name === 'istio-proxy');
  }

  /** Runs it: init containers to their end, but for sidecars of Kubernetes, which stay. */
  async start(): Promise<void> {
    mkdirSync(this.#directory);
    writeFileSync(this.#hosts(), this.#hostsFile());
    if (this.isInjected) await this.#prepareProxy();
    for (const container of this.api.spec.initContainers ?? []) {
      if (container.restartPolicy === 'Always') {
        this.#run(container);
        if (container.startupProbe) await this.ready(); // Istio's asks what this asks
      } else if (this.options.rules || container.name !== 'istio-init') await this.#runToEnd(container);
    }
    for (const container of this.api.spec.containers) {
      this.#run(container);
      const hook = container.lifecycle?.postStart?.exec?.command;
      if (hook) await this.#execute(hook, container);
    }
  }

  /** Kills a container and starts it anew, as after a crash. */
  async restart(name: string): Promise<void> {
    await this.kill(name);
    this.#run(this.#container(name));
  }

  async kill(name: string): Promise<void> {
    const cgroup = this.#cgroup(name);
    writeFileSync(join(cgroup, 'cgroup.kill'), '1');
    await until(`the end of ${name}`, () => cgroupProcesses(cgroup).length === 0);
  }

  /** Until the sidecar says that it is ready, which it does once it has its configuration and certificate. */
  async ready(): Promise<void> {
    await until(
      `the sidecar of ${this.name} is ready`,
      () =>
        fetch(`http://${this.address}:15021/healthz/ready`, { signal: AbortSignal.timeout(1000) }).then(
          ({ status }) => status === 200,
          () => false,
        ),
      60_000,
      () => `\n${this.output('istio-proxy').split('\n').slice(-15).join('\n')}`,
    );
  }

  /** What a container printed so far. */
  output(container: string): string {
    return readFileSync(this.#log(container), 'utf8');
  }

  /** Removes it from the API server. */
  async delete(): Promise<void> {
    const { namespace = 'default' } = this.api.metadata;
    const path = `/api/v1/namespaces/${namespace}/pods/${this.name}`;
    await this.cluster.request('DELETE', path, { gracePeriodSeconds: 0 });
  }

  #containers(): readonly Container[] {
    return [...(this.api.spec.initContainers ?? []), ...this.api.spec.containers];
  }

  #container(name: string): Container {
    const container = this.#containers().find(each => each.name === name);
    if (!container) throw new Error(`pod ${this.name} has no container ${name}`);
    return container;
  }

  #log(container: string): string {
    return join(this.#directory, `${container}.log`);
  }

  #hosts(): string {
    return join(this.#directory, 'hosts');
  }

  #hostsFile(): string {
    const names = Object.entries({ localhost: '127.0.0.1', [this.name]: this.address, ...this.options.hosts });
    return names.map(([name, address]) => `${address} ${name}\n`).join('');
  }

  #cgroup(container: string): string {
    return join(this.pod.cgroupPath, container);
  }

  #environment(container: Container): Record<string, string> {
    const { name, namespace = 'default' } = this.api.metadata;
    const environment: Record<string, string> = {
      PATH: SYSTEM_PATH,
      ...environmentOf(container, {
        'metadata.name': name,
        'metadata.namespace': namespace,
        'status.podIP': this.address,
        'status.hostIP': this.options.hosts['istiod.istio-system.svc'] ?? '',
        'spec.serviceAccountName': this.api.spec.serviceAccountName,
        'spec.nodeName': NODE,
      }),
    };
    const { PROXY_CONFIG: config } = environment;
    if (config !== undefined) {
      const withBinary = { ...(JSON.parse(config) as object), binaryPath: envoyBinary() };
      environment.PROXY_CONFIG = JSON.stringify(withBinary);
    }
    return environment;
  }

  /** The image of Istio's containers has pilot-agent as its entry point; that of an application is its command. */
  #commandLine(container: Container, environment: Readonly<Record<string, string>>): string[] {
    const command = container.command ?? [istioProgram('pilot-agent')];
    return expanded([...command, ...(container.args ?? [])], environment);
  }

  #run(container: Container): void {
    const environment = this.#environment(container);
    const uid = `${container.securityContext?.runAsUser ?? 0}`;
    const command = this.#commandLine(container, environment);
    const cgroup = this.#cgroup(container.name);
    mkdirSync(cgroup, { recursive: true });
    // Envoy opens /dev/stdout anew: the file has to be its user's.
    const log = openSync(this.#log(container.name), 'a');
    chownSync(this.#log(container.name), Number(uid), Number(uid));
    const user = [
      'setpriv',
      '--reuid',
      uid,
      '--regid',
      uid,
      '--clear-groups',
      ...reachFlags([...command, envoyBinary()]),
    ];
    const child = this.pod.spawn(
      'unshare',
      [
        ...['--mount', 'sh', '-c', ENTER, cgroup, this.#hosts(), this.#directory],
        ...[...user, '--pdeathsig', 'KILL', '--', ...command],
      ],
      { env: environment, stdio: ['ignore', log, log] },
    );
    closeSync(log);
    child.unref();
  }

  /** An init container, in the pod's network namespace, as root. */
  async #runToEnd(container: Container): Promise<void> {
    const environment = this.#environment(container);
    await this.#finish(container.name, this.#commandLine(container, environment), environment);
  }

  async #execute(command: readonly string[], container: Container): Promise<void> {
    const line = command.map(word => (word === 'pilot-agent' ? istioProgram('pilot-agent') : word));
    await this.#finish(`postStart of ${container.name}`, line, this.#environment(container));
  }

  async #finish(what: string, [command = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
    const { code, stdout, stderr } = await this.pod.run(command, args, { env, timeoutMs: 60_000 });
    if (code !== 0) throw new Error(`${what} of pod ${this.name} ended with ${code}: ${stdout}${stderr}`);
  }

  /** Token, root certificate, labels and annotations: the volumes of the injected container. */
  async #prepareProxy(): Promise<void> {
    const { name, namespace = 'default', uid, labels = {}, annotations = {} } = this.api.metadata;
    for (const folder of PROXY_FOLDERS) mkdirSync(join(this.#directory, folder), { recursive: true });
    const token = await this.cluster.token(
      { namespace, name: this.api.spec.serviceAccountName },
      { audiences: ['istio-ca'], boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid } },
    );
    const root = await until('the root certificate of the mesh', () =>
      this.cluster
        .request<{ data: Record<string, string> }>(
          'GET',
          `/api/v1/namespaces/${namespace}/configmaps/istio-ca-root-cert`,
        )
        .then(
          ({ data }) => data['root-cert.pem'],
          () => undefined,
        ),
    );
    const files = {
      'var/run/secrets/tokens/istio-token': token,
      'var/run/secrets/istio/root-cert.pem': root,
      'etc/istio/pod/labels': downward(labels),
      'etc/istio/pod/annotations': downward(annotations),
    };
    for (const [path, content] of Object.entries(files)) writeFileSync(join(this.#directory, path), content);
    copyFileSync(
      istioProgram('envoy_bootstrap.json'),
      join(this.#directory, 'var/lib/istio/envoy/envoy_bootstrap_tmpl.json'),
    );
    this.pod.admin('chown', ['-R', `${SIDECAR_UID}:${SIDECAR_UID}`, this.#directory]);
  }
}

/** As the downward API writes it into a file. */
function downward(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}\n`)
    .join('');
}
