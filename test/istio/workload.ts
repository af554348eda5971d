import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bed } from '../bed';
import { Cluster } from './cluster';
import { NODE, RunningPod } from './kubelet';
import { BED, NODE_ADDRESS, SERVER_ADDRESS, connect } from './place';
import { podManifest } from './pods';
import { EGRESS, EXCLUDED_EGRESS, type PodName, type Pods } from './requests';

/** Namespaces, accounts, Services and their endpoints: the same for every way. */
export async function applyWorkload(cluster: Cluster): Promise<void> {
  const workload = readFileSync(join(__dirname, 'workload.yaml'), 'utf8');
  await cluster.apply(Cluster.read(workload.replaceAll('SERVER', SERVER_ADDRESS)));
  // By it Istio knows that the node can run native sidecars.
  await cluster.merge(`/api/v1/nodes/${NODE}/status`, { status: { nodeInfo: { kubeletVersion: 'v1.34.2' } } });
}

/** A bed with the pods, injected but not started. */
export class Workload implements AsyncDisposable {
  readonly bed = Bed.create(BED);
  readonly #created: RunningPod[] = [];

  private constructor(
    private readonly cluster: Cluster,
    private readonly rules: boolean,
  ) {}

  /** `rules`: whether istio-init writes them. */
  static async create(cluster: Cluster, rules: boolean): Promise<readonly [Workload, Pods]> {
    const workload = new Workload(cluster, rules);
    try {
      return [workload, await workload.#pods()];
    } catch (error) {
      await workload[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts all; clients last, as they ask as they start. */
  async start(pods: Pods): Promise<void> {
    await startAll([pods.outside, pods.server, pods['ruled-server']]);
    await startAll([pods.client, pods['ruled-client']]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.bed.close();
    for (const pod of this.#created) await pod.delete();
    const left = this.bed.leftovers();
    if (left.length > 0) throw new Error(`left: ${left.join(', ')}`);
  }

  async #pods(): Promise<Pods> {
    connect(this.bed);
    const pods: Pods = {
      client: await this.#create('client'),
      server: await this.#create('server'),
      outside: await this.#create('outside'),
      'ruled-client': await this.#create('ruled-client'),
      'ruled-server': await this.#create('ruled-server'),
    };
    if (pods.server.address !== SERVER_ADDRESS) throw new Error(`the bed gives ${pods.server.address}`);
    for (const address of [EGRESS, EXCLUDED_EGRESS]) {
      pods.outside.pod.admin('ip', ['addr', 'add', `${address}/32`, 'dev', 'lo']);
      for (const { pod } of this.#created.filter(each => each !== pods.outside))
        pod.admin('ip', ['route', 'add', `${address}/32`, 'via', pods.outside.address]);
    }
    return pods;
  }

  async #create(name: PodName): Promise<RunningPod> {
    const options = { hosts: { 'istiod.istio-system.svc': NODE_ADDRESS }, rules: this.rules };
    const pod = await RunningPod.create(this.bed, this.cluster, podManifest(name), options);
    this.#created.push(pod);
    return pod;
  }
}

async function startAll(pods: readonly RunningPod[]): Promise<void> {
  await Promise.all(
    pods.map(async pod => {
      await pod.start();
      if (pod.isInjected) await pod.ready();
    }),
  );
}
