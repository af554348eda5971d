import { isIPv4 } from 'node:net';
import type { PodRulesProblem } from '../../errors';
import { isPodAcceleration, POD_ACCELERATIONS } from '../../policy';
import type { KubernetesPod } from './kubernetes-pod';
import type { SourcePod } from './pod-source';

/** Name of the annotation with which a pod chooses its scope: `off`, `proxies`, `full` or `inherit`. */
export const ACCELERATION_ANNOTATION = 'merbridge.io/acceleration';

/** A pod of the API server, interpreted for the controller. */
export interface ReadPod {
  /** `undefined` if it is not to be enrolled. */
  readonly pod: SourcePod | undefined;
  /** What is wrong with its acceleration annotation. */
  readonly problems: readonly PodRulesProblem[];
  /** Number of its IPv6 addresses. */
  readonly ipv6: number;
}

const NOTHING: ReadPod = { pod: undefined, problems: [], ipv6: 0 };

/**
 * Decides whether, under which addresses and how to enrol a pod. Readiness does not matter. A pod that is being deleted
 * still serves requests, and stays enrolled until it is gone or has ended.
 *
 * @internal
 */
export function readPod(
  pod: KubernetesPod,
  sidecar: (pod: KubernetesPod) => boolean,
  keep: (annotation: string) => boolean,
): ReadPod {
  const { metadata, spec = {}, status = {} } = pod;
  if (status.phase === 'Succeeded' || status.phase === 'Failed' || spec.hostNetwork === true || !sidecar(pod))
    return NOTHING;
  const all = new Set([...(status.podIPs ?? []).map(({ ip }) => ip), ...(status.podIP ? [status.podIP] : [])]);
  const addresses = [...all].filter(address => isIPv4(address));
  const ipv6 = all.size - addresses.length;
  if (addresses.length === 0) return { ...NOTHING, ipv6 };
  const annotations = Object.fromEntries(Object.entries(metadata.annotations ?? {}).filter(([name]) => keep(name)));
  const scope = metadata.annotations?.[ACCELERATION_ANNOTATION]?.trim() ?? 'inherit';
  const known = isPodAcceleration(scope);
  return {
    pod: {
      name: `${metadata.namespace}/${metadata.name}`,
      addresses,
      options: { acceleration: known ? scope : 'inherit', cgroup: { podUid: kubeletUid(pod) } },
      annotations,
      rank: rank(pod),
    },
    problems: known
      ? []
      : [
          {
            name: ACCELERATION_ANNOTATION,
            position: 1,
            entry: scope,
            reason: `must be one of ${POD_ACCELERATIONS.join(', ')}`,
          },
        ],
    ipv6,
  };
}

/**
 * Returns the UID in the name of the pod's cgroup. The kubelet identifies a static pod by the hash of its file, and the
 * API server has a mirror pod with another UID.
 */
function kubeletUid({ metadata: { annotations = {}, uid } }: KubernetesPod): string {
  return annotations['kubernetes.io/config.mirror'] === undefined
    ? uid
    : (annotations['kubernetes.io/config.hash'] ?? uid);
}

/**
 * If the CNI gave an address to another pod, the later pod gets it. Among pods of the same second: the one that is not
 * being deleted.
 */
function rank({ metadata, status = {} }: KubernetesPod): number {
  const started = Date.parse(status.startTime ?? metadata.creationTimestamp ?? '');
  return (Number.isNaN(started) ? 0 : started) + (metadata.deletionTimestamp === undefined ? 1 : 0);
}
