import { shown } from '../errors';
import { assertAcceleration, type PodAcceleration } from './acceleration';
import { isRecord, refuseUnknown } from '../checks';
import type { PodRules } from './pod-rules';
import { ruleSetOf } from './read-rules';
import type { RuleSet } from './rule-set';

/**
 * The cgroup of a pod: the path of its directory, its id (the inode number of the directory), or the UID of the
 * Kubernetes pod, after which the kubelet names the cgroup.
 */
export type PodCgroup = string | bigint | { readonly podUid: string };

/** Options of one pod. */
export interface PodOptions {
  /**
   * Scope of acceleration. Default: `'inherit'`, that of the accelerator. `'full'` opts the application of this pod in.
   */
  readonly acceleration?: PodAcceleration | undefined;
  /**
   * Which connections of the pod go through its sidecar. Default: all of them. `istioPodRules` reads rules from
   * annotations.
   */
  readonly rules?: PodRules | undefined;
  /**
   * The cgroup of the pod: a path such as `'/sys/fs/cgroup/kubepods.slice/…-pod<uid>.slice'`, an id, or the UID of the
   * Kubernetes pod, whose cgroup is then searched below the accelerator's. The pod then consists of the processes in
   * that cgroup. Without it, or if none is found, any network namespace that has the pod's address on a device counts
   * as the pod. That can be a container with its own network namespace inside another pod, if it was given that
   * address.
   */
  readonly cgroup?: PodCgroup | undefined;
}

/** Validated options of a pod, with the rules in canonical form. @internal */
export interface ResolvedPodOptions {
  /** Scope of acceleration. */
  readonly acceleration: PodAcceleration;
  /** The rules. `undefined` if they are equivalent to no rules. */
  readonly rules: RuleSet | undefined;
  /** The cgroup, as the caller gave it. */
  readonly cgroup: PodCgroup | undefined;
}

/**
 * Validates the options of a pod.
 *
 * @internal
 * @param options - options of the caller
 * @returns the options with defaults filled in
 * @throws TypeError if an option is unknown or of the wrong type
 * @throws PodRulesError (`ERR_BPF_POD_RULES`) if rules are invalid
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
 * Checks the form of the option `cgroup`. It does not check whether that cgroup exists.
 *
 * @internal
 * @param cgroup - any value
 * @throws TypeError if it is not an absolute path, an id or a UID
 */
export function assertCgroup(cgroup: unknown): asserts cgroup is PodCgroup {
  const { podUid, ...unknown } = (typeof cgroup === 'object' ? (cgroup ?? {}) : {}) as { podUid?: unknown };
  // The root cgroup has id 1. It contains every process.
  const isId = typeof cgroup === 'bigint' && cgroup > 1n && cgroup < 1n << 64n;
  const isUid = typeof podUid === 'string' && podUid !== '' && Object.keys(unknown).length === 0;
  if (isId || isUid || (typeof cgroup === 'string' && cgroup.startsWith('/'))) return;
  throw new TypeError(
    "pod options: cgroup must be an absolute path, an id (bigint), or { podUid: '…' } with the UID of a Kubernetes pod",
  );
}
