import { shown } from '../errors';
import { assertAcceleration, type PodAcceleration } from './acceleration';
import { isRecord, refuseUnknown } from './option-checks';
import type { PodRules } from './pod-rules';
import { ruleSetOf } from './read-rules';
import type { RuleSet } from './rule-set';

/**
 * The cgroup of a pod: the path of its directory, the UID by which the kubelet has named it, or its id, the inode
 * number of the directory.
 */
export type PodCgroup = string | bigint | { readonly podUid: string };

/** How one pod is treated. */
export interface PodOptions {
  /** Scope of this pod; default `'inherit'`: the accelerator's. `'full'` is how a pod opts its application in. */
  readonly acceleration?: PodAcceleration | undefined;
  /**
   * Which of its connections go through its sidecar; default all of them. `istioPodRules` reads them from annotations.
   */
  readonly rules?: PodRules | undefined;
  /**
   * The cgroup of the pod: a path such as `'/sys/fs/cgroup/kubepods.slice/…-pod<uid>.slice'`, or the UID of the
   * Kubernetes pod, whose cgroup is then looked for below the accelerator's. The processes in it are the pod. Without
   * it, or if none is found, whoever has the pod's address on a device is the pod: a container with a network of its
   * own inside another pod, say, if it was given that address.
   */
  readonly cgroup?: PodCgroup | undefined;
}

/** Options of a pod, checked, with the rules in their one form. @internal */
export interface ResolvedPodOptions {
  readonly acceleration: PodAcceleration;
  /** `undefined` if they say the same as no rules. */
  readonly rules: RuleSet | undefined;
  readonly cgroup: PodCgroup | undefined;
}

/**
 * Checks how a pod is to be treated.
 *
 * @internal
 * @param options - what the caller gave
 * @throws TypeError for an unknown option or a wrong type
 * @throws PodRulesError (`ERR_BPF_POD_RULES`) for rules that cannot be understood
 */
export function resolvePodOptions(options: PodOptions): ResolvedPodOptions {
  if (!isRecord(options)) throw new TypeError(`pod options must be an object, not ${shown(options)}`);
  const { acceleration = 'inherit', rules, cgroup, ...unknown } = options as PodOptions;
  refuseUnknown(unknown, 'pod options');
  if (acceleration !== 'inherit') assertAcceleration(acceleration, 'pod options: acceleration');
  if (cgroup !== undefined) assertCgroup(cgroup);
  return { acceleration, rules: rules === undefined ? undefined : ruleSetOf(rules), cgroup };
}

/**
 * Checks what is to name a pod's cgroup, whatever lies there.
 *
 * @internal
 * @param cgroup - anything
 * @throws TypeError for what names none
 */
export function assertCgroup(cgroup: unknown): asserts cgroup is PodCgroup {
  const { podUid, ...unknown } = (typeof cgroup === 'object' ? (cgroup ?? {}) : {}) as { podUid?: unknown };
  // 1 is the root, in which everybody is.
  const isId = typeof cgroup === 'bigint' && cgroup > 1n && cgroup < 1n << 64n;
  const isUid = typeof podUid === 'string' && podUid !== '' && Object.keys(unknown).length === 0;
  if (isId || isUid || (typeof cgroup === 'string' && cgroup.startsWith('/'))) return;
  throw new TypeError(
    "pod options: cgroup must be an absolute path, an id (bigint), or { podUid: '…' } with the UID of a Kubernetes pod",
  );
}
