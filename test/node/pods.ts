/** Pods as this test asks for them. */
import { parseLog, type Connection } from '../bed/connection-log';
import type { Kubectl } from './kubectl';
import { SIDECAR } from './workloads';

/** A pod that runs. */
export interface RunningPod {
  readonly name: string;
  readonly address: string;
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
    readonly status: { readonly phase: string; readonly podIP?: string };
  }[];
}

/** Those with this label that run and are not being deleted. */
export async function runningPods(kubectl: Kubectl, label: string, namespace = 'default'): Promise<RunningPod[]> {
  const { items } = await kubectl.get<PodList>('pods', '-n', namespace, '-l', label);
  return items.flatMap(({ metadata: { name, deletionTimestamp }, status: { phase, podIP } }) =>
    deletionTimestamp === undefined && phase === 'Running' && podIP !== undefined ? [{ name, address: podIP }] : [],
  );
}

/** The one pod of a Deployment. */
export async function onlyPod(kubectl: Kubectl, app: string): Promise<RunningPod> {
  const pods = await runningPods(kubectl, `app=${app}`);
  if (pods.length !== 1) throw new Error(`${app} has ${pods.length} pods`);
  return pods[0]!;
}

/** Connections in the access log of a pod's sidecar. */
export async function accessLog(kubectl: Kubectl, pod: RunningPod): Promise<Connection[]> {
  return parseLog(await kubectl.run('logs', pod.name, '-c', SIDECAR));
}

/** Waits until a Deployment has all its pods ready. */
export function rolledOut(kubectl: Kubectl, app: string): Promise<string> {
  return kubectl.run('rollout', 'status', `deployment/${app}`, '--timeout=60s');
}

/** Scales the Deployment that comes and goes. */
export async function scale(kubectl: Kubectl, replicas: number): Promise<void> {
  await kubectl.run('scale', 'deployment/web', `--replicas=${replicas}`);
  await rolledOut(kubectl, 'web');
}
