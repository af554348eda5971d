/**
 * Enrols the pods of a Kubernetes node that have a sidecar of Istio, and follows them.
 *
 *   kubernetes-pods.ts [CGROUP]
 *
 * In a pod it needs NODE_NAME (downward API) and an account that may list and watch pods. Elsewhere, for instance
 * through `kubectl proxy` or with a token, see `server` and `kubeConfig` in docs/kubernetes.md. With PODS_FILE set, the
 * pods come from that file instead.
 */
import { MerbridgeError, MeshAccelerator } from 'merbridge';
import { KubernetesPods, PodController, WatchedFile, type PodSource } from 'merbridge/kubernetes';

async function main(cgroup = '/sys/fs/cgroup/kubepods.slice'): Promise<void> {
  const { PODS_FILE: file } = process.env;
  const source: PodSource = file === undefined ? new KubernetesPods() : new WatchedFile(file);
  const controller = new PodController({ source, attach: pods => MeshAccelerator.start({ cgroup, pods }) });
  controller.on('applied', ({ added, changed, deleted, seconds }) => {
    console.log(`+${added.length} ~${changed.length} -${deleted.length} pods after ${seconds.toFixed(3)} s`);
  });
  controller.on('error', error => console.error(error.message));
  controller.on('disconnected', (reason, retryInMs) => console.warn(`${reason.message}; again in ${retryInMs} ms`));

  const stopped = new Promise<void>(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(controller.close()));
  });

  const mesh = await controller.start();
  mesh.on('warning', warning => console.warn(warning.message));
  console.log(`attached to ${mesh.cgroup} with ${controller.pods} pods`);
  await stopped;
  await mesh.close();
  console.log('detached');
}

main(process.argv[2]).catch((error: unknown) => {
  // Stopped before the first sync: nothing was attached.
  if (error instanceof MerbridgeError && error.code === 'ERR_BPF_CLOSED') return;
  console.error(error instanceof MerbridgeError ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
});
