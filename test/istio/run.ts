/** All requests under one way of redirection, each with what both sidecars logged of it. */
import { setTimeout } from 'node:timers/promises';
import { MeshAccelerator } from 'merbridge';
import { KubernetesPods, PodController } from 'merbridge/kubernetes';
import { Bed, SCOPES, type Way } from '../bed';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../bed/shell';
import type { Manifest } from '../kube/manifests';
import { comparable, readLog, type LogLine } from './access-log';
import { Cluster } from './cluster';
import type { Istiod } from './istiod';
import { NODE, RunningPod } from './kubelet';
import { BED, NODE_ADDRESS, SERVER_ADDRESS, connect } from './place';
import {
  AFTER_ISTIOD,
  AFTER_SIDECAR,
  EGRESS,
  REQUESTS,
  WITHOUT_ISTIOD,
  type Answer,
  type Pods,
  type Request,
} from './requests';

/** What is compared of one request. */
export interface Outcome extends Answer {
  /** What the sidecars of these pods logged. */
  readonly client: readonly LogLine[];
  readonly server: readonly LogLine[];
}

export type Outcomes = ReadonlyMap<string, Outcome>;

const APP = join(__dirname, 'apps', 'app.mjs');

function podManifest(namespace: string, name: string): Manifest {
  const app = { name: 'app', image: 'app', command: [process.execPath, APP], securityContext: { runAsUser: 2000 } };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: { nodeName: NODE, serviceAccountName: name, containers: [app] },
  };
}

/** Enrols the pods of the node, as an agent does: from the API server. */
async function enrol(bed: Bed, cluster: Cluster, scope: (typeof SCOPES)[number]): Promise<() => Promise<void>> {
  const { url, ca, adminToken: token } = cluster.server;
  const controller = new PodController({
    source: new KubernetesPods({ nodeName: NODE, server: { url, ca, token } }),
    attach: pods => MeshAccelerator.start({ profile: 'istio', cgroup: bed.cgroupPath, acceleration: scope, pods }),
  });
  controller.on('error', error => console.error(error.message));
  const mesh = await controller.start();
  await until('both pods are enrolled', () => mesh.localPodIps.size === 2);
  return async () => {
    await controller.close();
    await mesh.close();
  };
}

/** Namespaces, accounts, Services and their endpoints: the same for every way. */
export async function applyWorkload(cluster: Cluster): Promise<void> {
  const workload = readFileSync(join(__dirname, 'workload.yaml'), 'utf8');
  await cluster.apply(Cluster.read(workload.replaceAll('SERVER', SERVER_ADDRESS)));
}

/** Fresh pods, all requests. */
export async function runWay(way: Way, cluster: Cluster, istiod: Istiod): Promise<Outcomes> {
  const bed = Bed.create(BED);
  const created: RunningPod[] = [];
  let leave: (() => Promise<void>) | undefined;
  try {
    connect(bed);
    const options = { hosts: { 'istiod.istio-system.svc': NODE_ADDRESS }, rules: way.startsWith('iptables') };
    const create = async (namespace: string, name: string): Promise<RunningPod> => {
      const pod = await RunningPod.create(bed, cluster, podManifest(namespace, name), options);
      created.push(pod);
      return pod;
    };
    const pods: Pods = {
      client: await create('demo', 'client'),
      server: await create('demo', 'server'),
      outside: await create('outside', 'outside'),
    };
    if (pods.server.address !== SERVER_ADDRESS) throw new Error(`the bed gives ${pods.server.address}`);
    pods.outside.pod.admin('ip', ['addr', 'add', `${EGRESS}/32`, 'dev', 'lo']);
    pods.client.pod.admin('ip', ['route', 'add', `${EGRESS}/32`, 'via', pods.outside.address]);
    const scope = SCOPES.find(each => way.endsWith(each));
    if (scope) leave = await enrol(bed, cluster, scope);
    await Promise.all(created.map(pod => pod.start()));
    await Promise.all([pods.client.ready(), pods.server.ready()]);
    return await ask(pods, istiod);
  } finally {
    await leave?.();
    bed.close();
    for (const pod of created) await pod.delete();
    const left = bed.leftovers();
    if (left.length > 0) console.error('left:', left);
  }
}

async function ask(pods: Pods, istiod: Istiod): Promise<Outcomes> {
  const outcomes = new Map<string, Outcome>();
  await batch(pods, REQUESTS, outcomes);
  await istiod.stop();
  await batch(pods, WITHOUT_ISTIOD, outcomes);
  await istiod.start();
  await batch(pods, AFTER_ISTIOD, outcomes);
  await pods.server.restart('istio-proxy');
  await pods.server.ready();
  await batch(pods, AFTER_SIDECAR, outcomes);
  return outcomes;
}

/** Envoy writes its log once a second. */
const FLUSHED_MS = 1500;

async function batch(pods: Pods, requests: readonly Request[], outcomes: Map<string, Outcome>): Promise<void> {
  const asked: { name: string; from: number; to: number; answer: Answer }[] = [];
  for (const { name, ask: send } of requests) {
    const from = Date.now();
    const answer = await send(pods);
    asked.push({ name, from, to: Date.now(), answer });
    await setTimeout(5); // so that what is logged belongs to one of them
  }
  await setTimeout(FLUSHED_MS);
  const [client, server] = [pods.client, pods.server].map(pod => readLog(pod.output('istio-proxy'))) as [
    ReturnType<typeof readLog>,
    ReturnType<typeof readLog>,
  ];
  for (const { name, from, to, answer } of asked) {
    const during = (logged: typeof client): LogLine[] =>
      logged.filter(({ at }) => at >= from && at <= to).map(({ line }) => line);
    const outcome = { ...answer, client: during(client), server: during(server) };
    outcomes.set(name, JSON.parse(comparable(JSON.stringify(outcome))) as Outcome);
  }
}
