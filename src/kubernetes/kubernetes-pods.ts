import { accessBy, accessTo, inClusterServer, type ApiServerAddress, type KubeConfigLike } from './api-access';
import { firstProblems } from '../errors';
import { assertInteger, assertNumber, refuseUnknown } from '../policy';
import { KubernetesError, PodRefusedError } from './errors';
import { istioSidecar } from './istio-sidecar';
import type { KubernetesPod } from './kubernetes-pod';
import { ListWatch, type RetryTimes } from './list-watch';
import { PodSourceBase } from './pod-source-base';
import type { SourcePod } from './pod-source';
import { ACCELERATION_ANNOTATION, readPod, type ReadPod } from './read-pod';
import { asError } from './report';

/** How the pods of a node are followed. */
export interface KubernetesPodsOptions {
  /**
   * Name of this node in the cluster. Default: the environment variable `NODE_NAME`, from the downward API. Never the
   * host name, which may differ.
   */
  readonly nodeName?: string | undefined;
  /** The API server. Default: that of the cluster which this process runs in, with its mounted service account. */
  readonly server?: ApiServerAddress | undefined;
  /** The same by a `KubeConfig` of `@kubernetes/client-node` 1.x, with its current context. */
  readonly kubeConfig?: KubeConfigLike | undefined;
  /**
   * Whether a pod has a sidecar to redirect to. Default {@link istioSidecar}. Pods in the host's network and those that
   * ended are never asked about. One for which this throws is reported and stays what it was; the others are not
   * concerned.
   */
  readonly sidecar?: ((pod: KubernetesPod) => boolean) | undefined;
  /**
   * Which annotations the controller's `rules` are given. Default: those of Istio, except what its injector writes for
   * itself.
   */
  readonly annotations?: ((name: string) => boolean) | undefined;
  /** Seconds after which a watch is renewed, 1 to 3600. One that says nothing for longer is cut. Default 300. */
  readonly watchSeconds?: number | undefined;
  /** When to try again. */
  readonly retry?: RetryTimes | undefined;
}

/** What is known of one pod, beside what is wanted. */
interface Seen {
  readonly ipv6: number;
  readonly problem: string;
}

/**
 * The pods of one node that have a sidecar, from the API server: a list, and then a watch. Needs the verbs `list` and
 * `watch` on pods.
 *
 * It survives what API servers do: it goes on from where it was after a cut, lists again after 410 Gone, waits longer
 * with each failure, cuts a watch that went silent, and takes a rotated token. Meanwhile the pods stay as they are.
 *
 * @example
 * ```ts
 * import { KubernetesPods } from 'merbridge/kubernetes';
 *
 * const pods = new KubernetesPods({ nodeName: 'worker-1' });
 * pods.on('disconnected', (reason, retryInMs) => console.warn(`${reason.message}; again in ${retryInMs} ms`));
 * ```
 */
export class KubernetesPods extends PodSourceBase {
  /** Name of the node. */
  readonly nodeName: string;
  readonly #sidecar: (pod: KubernetesPod) => boolean;
  readonly #keep: (annotation: string) => boolean;
  readonly #watch: ListWatch;
  readonly #seen = new Map<string, Seen>();
  #running: Promise<void> = Promise.resolve();

  /**
   * @param options - node, server, what a sidecar is
   * @throws KubernetesError (`ERR_KUBERNETES_CONFIG`) if the node or the server is not known
   * @throws TypeError or RangeError for options that make no sense
   */
  constructor(options: KubernetesPodsOptions = {}) {
    super();
    const {
      nodeName = process.env.NODE_NAME,
      server,
      kubeConfig,
      sidecar,
      annotations,
      watchSeconds = 300,
      retry = {},
      ...unknown
    } = options;
    refuseUnknown(unknown, 'KubernetesPods');
    if (server !== undefined && kubeConfig !== undefined)
      throw new TypeError('KubernetesPods: either server or kubeConfig, not both');
    assertNumber(watchSeconds, 1, 3600, 'KubernetesPods: watchSeconds');
    if (!nodeName)
      throw new KubernetesError('ERR_KUBERNETES_CONFIG', 'the name of the node is not known', {
        hint: 'set NODE_NAME by the downward API (fieldRef: spec.nodeName), or give the option nodeName',
      });
    this.nodeName = nodeName;
    this.#sidecar = sidecar ?? istioSidecar;
    this.#keep = annotations ?? isOfIstio;
    this.#watch = new ListWatch({
      access: kubeConfig === undefined ? accessTo(server ?? inClusterServer()) : accessBy(kubeConfig),
      query: { fieldSelector: `spec.nodeName=${nodeName}` },
      watchSeconds,
      retry: retryTimes(retry),
      handler: {
        list: pods => this.#list(pods),
        changed: pod => this.#changed(pod),
        deleted: uid => this.#deleted(uid),
        failed: error => this.report(error),
        disconnected: (reason, retryInMs) => {
          if (!this.closed) this.emit('disconnected', reason, retryInMs);
        },
      },
    });
  }

  /** How many addresses of the node's mesh pods are IPv6, and so not enrolled: the programs act on IPv4. */
  get skippedIPv6(): number {
    let sum = 0;
    for (const { ipv6 } of this.#seen.values()) sum += ipv6;
    return sum;
  }

  protected begin(): void {
    this.#running = this.#watch.run();
  }

  protected async end(): Promise<void> {
    this.#watch.close();
    await this.#running;
  }

  #list(pods: readonly KubernetesPod[]): void {
    const wanted = new Map<string, SourcePod>();
    const there = new Set<string>();
    for (const pod of pods) {
      const { uid } = pod.metadata;
      there.add(uid);
      const read = this.#read(pod);
      if (read !== undefined) wanted.set(uid, read);
    }
    for (const uid of this.#seen.keys()) if (!there.has(uid)) this.#seen.delete(uid);
    this.replace(wanted);
  }

  #changed(pod: KubernetesPod): void {
    const { uid } = pod.metadata;
    const read = this.#read(pod);
    if (read === undefined) this.remove(uid);
    else this.put(uid, read);
  }

  #deleted(uid: string): void {
    this.#seen.delete(uid);
    this.remove(uid);
  }

  #read(pod: KubernetesPod): SourcePod | undefined {
    const { uid, namespace, name } = pod.metadata;
    const before = this.pods.get(uid);
    let read: ReadPod;
    let consequence = `it is treated as without ${ACCELERATION_ANNOTATION}`;
    let cause: Error | undefined;
    try {
      read = readPod(pod, this.#sidecar, this.#keep);
    } catch (thrown) {
      // What the options say is the caller's code.
      cause = asError(thrown);
      consequence = before === undefined ? 'it is left out until it changes' : 'it stays what it was until it changes';
      read = {
        pod: before,
        problems: [{ name: '', position: 0, entry: undefined, reason: cause.message }],
        ipv6: this.#seen.get(uid)?.ipv6 ?? 0,
      };
    }
    const problem = read.problems.length === 0 ? '' : JSON.stringify(firstProblems(read.problems));
    if (problem !== '' && problem !== this.#seen.get(uid)?.problem)
      this.report(new PodRefusedError(`${namespace}/${name}`, read.problems, consequence, { cause }));
    if (read.ipv6 > 0 || problem !== '') this.#seen.set(uid, { ipv6: read.ipv6, problem });
    else this.#seen.delete(uid);
    return read.pod;
  }
}

/** What Istio's injector writes of itself is long, and no rule is made of it. */
function isOfIstio(annotation: string): boolean {
  return /(^|\.)istio\.io\//.test(annotation) && annotation !== 'sidecar.istio.io/status';
}

function retryTimes({
  initialMs = 500,
  maxMs = 30_000,
  forbiddenMs = 60_000,
  ...unknown
}: RetryTimes): Required<RetryTimes> {
  refuseUnknown(unknown, 'KubernetesPods: retry');
  for (const [name, value] of Object.entries({ initialMs, maxMs, forbiddenMs }))
    assertInteger(value, 1, 3_600_000, `KubernetesPods: retry.${name}`);
  return { initialMs, maxMs, forbiddenMs };
}
