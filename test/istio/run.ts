/** All requests under one way of redirection, each with what both sidecars logged of it. */
import { setTimeout } from 'node:timers/promises';
import { MeshAccelerator, istioPodRules, type Acceleration } from 'merbridge';
import { KubernetesPods, PodController } from 'merbridge/kubernetes';
import { Bed, SCOPES, type Way } from '../bed';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../bed/shell';
import { comparable, readLog, type LogLine, type Logged } from './access-log';
import { Cluster } from './cluster';
import type { Istiod } from './istiod';
import { NODE, RunningPod } from './kubelet';
import { BED, NODE_ADDRESS, SERVER_ADDRESS, connect } from './place';
import { AFTER_ISTIOD, AFTER_SIDECAR, REQUESTS, RULED, WITHOUT_ISTIOD } from './cases';
import { MESH_PODS, podManifest, RULES } from './pods';
import {
  AS_IT_STARTED,
  EGRESS,
  NAME,
  SERVICE,
  curl,
  inside,
  type Answer,
  type PodName,
  type Pods,
  type Request,
} from './requests';

/** What is compared of one request. */
export interface Outcome extends Answer {
  /** What each sidecar logged, by the name of its pod. */
  readonly logs: Readonly<Partial<Record<PodName, readonly LogLine[]>>>;
}

export type Outcomes = ReadonlyMap<string, Outcome>;

/** Enrols the pods of the node, as an agent does: from the API server. */
async function enrol(bed: Bed, cluster: Cluster, scope: Acceleration): Promise<() => Promise<void>> {
  const { url, ca, adminToken: token } = cluster.server;
  const controller = new PodController({
    source: new KubernetesPods({ nodeName: NODE, server: { url, ca, token } }),
    attach: pods => MeshAccelerator.start({ profile: 'istio', cgroup: bed.cgroupPath, acceleration: scope, pods }),
    rules: annotations => istioPodRules(annotations, RULES),
  });
  controller.on('error', error => console.error(error.message));
  const mesh = await controller.start();
  await until('the pods are enrolled', () => mesh.localPodIps.size === MESH_PODS.length);
  return async () => {
    await controller.close();
    const { redirectedMessages: count } = mesh.counters();
    await mesh.close();
    if (count > 0n !== (scope !== 'off')) throw new Error(`${scope}: ${count} messages went from socket to socket`);
  };
}

/** Namespaces, accounts, Services and their endpoints: the same for every way. */
export async function applyWorkload(cluster: Cluster): Promise<void> {
  const workload = readFileSync(join(__dirname, 'workload.yaml'), 'utf8');
  await cluster.apply(Cluster.read(workload.replaceAll('SERVER', SERVER_ADDRESS)));
  // By it Istio knows that the node can run native sidecars.
  await cluster.merge(`/api/v1/nodes/${NODE}/status`, { status: { nodeInfo: { kubeletVersion: 'v1.34.2' } } });
}

/** Fresh pods, all requests. */
export async function runWay(way: Way, cluster: Cluster, istiod: Istiod): Promise<Outcomes> {
  const bed = Bed.create(BED);
  const created: RunningPod[] = [];
  let leave: (() => Promise<void>) | undefined;
  try {
    connect(bed);
    const options = { hosts: { 'istiod.istio-system.svc': NODE_ADDRESS }, rules: way.startsWith('iptables') };
    const create = async (name: PodName): Promise<RunningPod> => {
      const pod = await RunningPod.create(bed, cluster, podManifest(name), options);
      created.push(pod);
      return pod;
    };
    const pods: Pods = {
      client: await create('client'),
      server: await create('server'),
      outside: await create('outside'),
      'ruled-client': await create('ruled-client'),
      'ruled-server': await create('ruled-server'),
    };
    if (pods.server.address !== SERVER_ADDRESS) throw new Error(`the bed gives ${pods.server.address}`);
    pods.outside.pod.admin('ip', ['addr', 'add', `${EGRESS}/32`, 'dev', 'lo']);
    for (const pod of created.filter(each => each !== pods.outside))
      pod.pod.admin('ip', ['route', 'add', `${EGRESS}/32`, 'via', pods.outside.address]);
    const scope = SCOPES.find(each => way.endsWith(each));
    if (scope) leave = await enrol(bed, cluster, scope);
    // The clients ask as they start.
    await startAll([pods.outside, pods.server, pods['ruled-server']]);
    await startAll([pods.client, pods['ruled-client']]);
    const outcomes = await ask(pods, istiod);
    await leave?.();
    leave = undefined;
    return outcomes;
  } finally {
    await leave?.();
    bed.close();
    for (const pod of created) await pod.delete();
    const left = bed.leftovers();
    if (left.length > 0) console.error('left:', left);
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

async function ask(pods: Pods, istiod: Istiod): Promise<Outcomes> {
  const outcomes = new Map<string, Outcome>();
  for (const pod of [pods.client, pods['ruled-client']])
    await until('what it asked as it started', async () => (await curl(inside(pod), AS_IT_STARTED)).status !== 0);
  await batch(pods, [...REQUESTS, ...RULED], outcomes);
  await istiod.stop();
  await batch(pods, WITHOUT_ISTIOD, outcomes);
  await istiod.start();
  await batch(pods, AFTER_ISTIOD, outcomes);
  await pods.server.restart('istio-proxy');
  await pods.server.ready();
  await batch(pods, AFTER_SIDECAR, outcomes);
  return outcomes;
}

let marks = 0;

/**
 * Sends requests one after the other. What a sidecar logs between the start of one and the start of the next belongs to
 * the first.
 */
async function batch(pods: Pods, requests: readonly Request[], outcomes: Map<string, Outcome>): Promise<void> {
  const asked: { name: string; from: number; answer: Answer }[] = [];
  for (const { name, ask: send } of requests) {
    const from = Date.now();
    asked.push({ name, from, answer: await send(pods) });
    await setTimeout(5);
  }
  const end = Date.now();
  const logs = await writtenLogs(pods);
  for (const [index, { name, from, answer }] of asked.entries()) {
    const to = asked[index + 1]?.from ?? end;
    const during = logs
      .map(([pod, logged]) => [pod, logged.filter(({ at }) => at >= from && at < to).map(({ line }) => line)] as const)
      .filter(([, lines]) => lines.length > 0);
    const outcome: Outcome = { ...answer, logs: Object.fromEntries(during) };
    outcomes.set(name, JSON.parse(comparable(JSON.stringify(outcome))) as Outcome);
  }
}

/** Envoy writes its log now and then: all is there once the line of a last request is. */
async function writtenLogs(pods: Pods): Promise<(readonly [PodName, Logged[]])[]> {
  const mark = `/mark-${++marks}`;
  return Promise.all(
    MESH_PODS.map(async name => {
      await curl(inside(pods[name]), `http://${NAME}${mark}`, SERVICE);
      await until(`the last line of ${name}`, () => pods[name].output('istio-proxy').includes(mark));
      return [name, readLog(pods[name].output('istio-proxy'))] as const;
    }),
  );
}
