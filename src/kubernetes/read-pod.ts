import { isIPv4 } from 'node:net';
import type { PodRulesProblem } from '../errors';
import { isPodAcceleration, POD_ACCELERATIONS } from '../policy';
import type { KubernetesPod } from './kubernetes-pod';
import type { SourcePod } from './pod-source';

/** Name of the annotation by which a pod chooses its scope: `off`, `proxies`, `full` or `inherit`. */
export const ACCELERATION_ANNOTATION = 'merbridge.io/acceleration';

/** What a pod of the API server is to the controller. */
export interface ReadPod {
  /** Undefined if it is not to be enrolled. */
  readonly pod: SourcePod | undefined;
  /** What its own annotation has wrong. */
  readonly problems: readonly PodRulesProblem[];
  /** How many addresses of it are IPv6. */
  readonly ipv6: number;
}

const NOTHING: ReadPod = { pod: undefined, problems: [], ipv6: 0 };

/**
 * Whether, where and how a pod is enrolled. Readiness does not matter; a pod that is being deleted still serves, and
 * stays until it is gone or has ended.
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
 * The name of its cgroup: the kubelet knows a static pod by the hash of its file, and the API server has a mirror of it
 * with another UID.
 */
function kubeletUid({ metadata: { annotations = {}, uid } }: KubernetesPod): string {
  return annotations['kubernetes.io/config.mirror'] === undefined
    ? uid
    : (annotations['kubernetes.io/config.hash'] ?? uid);
}

/**
 * An address that the CNI gave to another pod is the later one's; among those of one second the one that is not being
 * deleted.
 */
function rank({ metadata, status = {} }: KubernetesPod): number {
  const started = Date.parse(status.startTime ?? metadata.creationTimestamp ?? '');
  return (Number.isNaN(started) ? 0 : started) + (metadata.deletionTimestamp === undefined ? 1 : 0);
}
