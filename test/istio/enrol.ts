import { MeshAccelerator, istioPodRules, type Acceleration } from 'merbridge';
import { KubernetesPods, PodController } from 'merbridge/kubernetes';
import type { Bed } from '../bed';
import { until } from '../bed/shell';
import type { Cluster } from './cluster';
import { NODE } from './kubelet';
import { MESH_PODS, RULES } from './pods';

/** Attaches the library and enrols the pods of the node from the API server, as an agent does. */
export async function enrol(bed: Bed, cluster: Cluster, scope: Acceleration): Promise<AsyncDisposable> {
  const { url, ca, adminToken: token } = cluster.server;
  const controller = new PodController({
    source: new KubernetesPods({ nodeName: NODE, server: { url, ca, token } }),
    attach: pods => MeshAccelerator.start({ profile: 'istio', cgroup: bed.cgroupPath, acceleration: scope, pods }),
    rules: annotations => istioPodRules(annotations, RULES),
  });
  controller.on('error', error => console.error(error.message));
  const mesh = await controller.start();
  await until('the pods are enrolled', () => mesh.localPodIps.size === MESH_PODS.length);
  return {
    [Symbol.asyncDispose]: async () => {
      await controller.close();
      const { redirectedMessages: count } = mesh.counters();
      await mesh.close();
      if (count > 0n !== (scope !== 'off')) throw new Error(`${scope}: ${count} messages went from socket to socket`);
    },
  };
}
