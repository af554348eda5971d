import { SCOPES, type Way } from '../bed';
import { until } from '../bed/shell';
import { batch, type Outcome, type Outcomes } from './batch';
import { AFTER_ISTIOD, AFTER_CLIENT, AFTER_SERVER, REQUESTS, RULED, WITHOUT_ISTIOD } from './cases';
import type { Cluster } from './cluster';
import { enrol } from './enrol';
import type { Istiod } from './istiod';
import { AS_IT_STARTED, curl, inside, type Pods } from './requests';
import { Workload } from './workload';

/** Fresh pods under one way of redirection, all requests. */
export async function runWay(way: Way, cluster: Cluster, istiod: Istiod): Promise<Outcomes> {
  const [made, pods] = await Workload.create(cluster, way.startsWith('iptables'));
  await using workload = made;
  const scope = SCOPES.find(each => way.endsWith(each));
  await using _ = scope && (await enrol(workload.bed, cluster, scope));
  await workload.start(pods);
  return await askAll(pods, istiod);
}

async function askAll(pods: Pods, istiod: Istiod): Promise<Outcomes> {
  const outcomes = new Map<string, Outcome>();
  for (const pod of [pods.client, pods['ruled-client']])
    await until('what it asked as it started', async () => (await curl(inside(pod), AS_IT_STARTED)).status !== 0);
  await batch(pods, [...REQUESTS, ...RULED], outcomes);
  await istiod.stop();
  await batch(pods, WITHOUT_ISTIOD, outcomes);
  await istiod.start();
  await batch(pods, AFTER_ISTIOD, outcomes);
  for (const [pod, requests] of [
    [pods.server, AFTER_SERVER],
    [pods.client, AFTER_CLIENT],
  ] as const) {
    await pod.restart('istio-proxy');
    await pod.ready();
    await batch(pods, requests, outcomes);
  }
  return outcomes;
}
