import { shown } from '../errors';
import {
  assertAcceleration,
  assertInteger,
  refuseUnknown,
  resolvePinDirectory,
  resolveProfile,
  type Acceleration,
  type MeshProfile,
  type MeshProfileName,
  type PodOptions,
} from '../policy';
import { resolveEvents, type EventOptions } from './events/event-options';
import type { MapSizes } from './maps/map-sizes';

/** How an accelerator is started. */
export interface MeshAcceleratorOptions {
  /**
   * Path of a directory of the cgroup2 file system. The programs see every process at or below it, so it must hold the
   * sidecars and the applications of all pods: on a Kubernetes node `kubepods.slice` (systemd) or `kubepods`.
   */
  readonly cgroup: string;
  /**
   * A directory for pins in a BPF file system, such as `/sys/fs/bpf/merbridge`, not its root; it is made, with mode
   * 0700. One that is there has to belong to the user of this process, others may not write to it, and it stays as it
   * is. With it everything stays attached when this process ends, however it ends: connections are redirected and
   * accelerated without it. The next start with the same directory takes over what it finds and loses no connection.
   * {@link MeshAccelerator.close} gives up this process's hold only; `detachAll` removes everything. Default: none;
   * everything ends with this process.
   */
  readonly pinDirectory?: string | undefined;
  /**
   * The mesh whose sidecars run here: the name of one of {@link meshProfiles}, or a profile of your own. Default
   * `'istio'`.
   */
  readonly profile?: MeshProfileName | MeshProfile | undefined;
  /** Scope of acceleration for pods that do not choose their own. Default: what is pinned, otherwise `'proxies'`. */
  readonly acceleration?: Acceleration | undefined;
  /**
   * Pods that are enrolled before the first program is attached, so that none of their connections is missed. Where
   * pins are taken over, exactly these are enrolled afterwards; without this option those that were.
   */
  readonly pods?: Iterable<string | readonly [address: string, options: PodOptions]> | undefined;
  /** How many pods fit, 1 or more. Default: what is pinned, otherwise 16384. */
  readonly maxPods?: number | undefined;
  /**
   * How many ports the rules of all pods may name, each list counted for itself and equal rules of several pods once;
   * the old and the new rules of a pod are there together for a moment. Memory is taken as they come. Default: what is
   * pinned, otherwise 131072.
   */
  readonly maxRulePorts?: number | undefined;
  /** Likewise, how many address ranges. Default: what is pinned, otherwise 262144. */
  readonly maxRuleRanges?: number | undefined;
  /**
   * How many ports the rules of one pod may name, in all its lists, 1 or more. Rules with more are refused
   * (`ERR_BPF_POD_RULES`), the pod keeps those that it had, and no other pod is concerned: whoever may annotate one pod
   * does not take the room of all. Default: a 128th of `maxRulePorts` (1024).
   */
  readonly maxPodRulePorts?: number | undefined;
  /** Likewise, how many address ranges. Default: a 128th of `maxRuleRanges` (2048). */
  readonly maxPodRuleRanges?: number | undefined;
  /**
   * How many sockets can be accelerated at a time, two for each connection. Those beyond stay on the TCP stack.
   * Default: what is pinned, otherwise 65536. Another size than the pinned one sends accelerated connections back to
   * the stack.
   */
  readonly maxSockets?: number | undefined;
  /**
   * Bytes that may wait, unread, in one accelerated socket. A sender that outruns its reader by more goes back to the
   * TCP stack, whose window holds it back, and its connection is plain TCP from then on. So is one on which an
   * application sends more than 64 KiB before its sidecar has read anything. 1 MiB to 1 GiB, default 2 MiB. Messages
   * are bounded likewise, as if each had at least 512 bytes.
   */
  readonly backlogLimit?: number | undefined;
  /**
   * Who keeps the account of what waits. Default `'auto'`: the kernel where it does, which is tried at start; otherwise
   * the programs.
   */
  readonly backlogAccount?: 'auto' | 'programs' | undefined;
  /**
   * Seconds, 0 to 32767, after which TCP probes an accelerated connection between two pods that has sent no segment
   * (TCP_KEEPIDLE, TCP_KEEPINTVL). What is moved from socket to socket is no segment: without probes connection
   * tracking and firewalls on the node forget the connection, and drop its end. The socket of the pod that dialled gets
   * the setting, unless it has SO_KEEPALIVE when it dials; what is set later stands, a TCP_KEEPIDLE that it set before
   * alone does not. 0: no socket gets it. Default 60.
   */
  readonly keepAlive?: number | undefined;
  /**
   * Which known faults of kernels there shall be no warning of: all, or those with these numbers, such as
   * `['CVE-2025-38154']`. For kernels whose distribution has the mends. `'FIONREAD'` among them is what
   * {@link MeshAccelerator.fionreadCounts} says, for nodes on which no program goes by it. Default false: none.
   */
  readonly ignoreAdvisories?: boolean | readonly string[] | undefined;
  /**
   * Which events the programs send: all, none, or some, with a bound for each kind. Default false. Listeners alone
   * start nothing. May be changed later: {@link MeshAccelerator.events}.
   */
  readonly events?: boolean | EventOptions | undefined;
}

/**
 * Options, checked. What a pinned mesh may say instead stays `undefined` where the caller did not say it: its default
 * is filled in where it is known whether something is pinned. All other defaults are filled in.
 *
 * @internal
 */
export interface ResolvedOptions extends MapSizes {
  readonly cgroup: string;
  readonly pinDirectory: string | undefined;
  readonly profile: MeshProfile;
  readonly acceleration: Acceleration | undefined;
  readonly pods: Iterable<string | readonly [address: string, options: PodOptions]> | undefined;
  readonly maxPodRulePorts: number | undefined;
  readonly maxPodRuleRanges: number | undefined;
  readonly backlogLimit: number;
  readonly backlogAccount: 'auto' | 'programs';
  readonly keepAlive: number;
  readonly ignoreAdvisories: boolean | readonly string[];
  readonly events: boolean | EventOptions;
}

const MiB = 1024 * 1024;
const MAX_ENTRIES = 0x7fffffff;

/**
 * Checks what the caller gave.
 *
 * @internal
 * @param options - of {@link MeshAccelerator.start}
 * @throws TypeError for an unknown option or a wrong type, RangeError for a number out of range
 */
export function resolveOptions(options: MeshAcceleratorOptions): ResolvedOptions {
  if (typeof options !== 'object' || options === null)
    throw new TypeError('MeshAccelerator: options with the path of a cgroup are needed');
  const {
    cgroup,
    pinDirectory,
    profile = 'istio',
    acceleration,
    pods,
    maxPods,
    maxRulePorts,
    maxRuleRanges,
    maxPodRulePorts,
    maxPodRuleRanges,
    maxSockets,
    backlogLimit = 2 * MiB,
    backlogAccount = 'auto',
    keepAlive = 60,
    ignoreAdvisories = false,
    events = false,
    ...unknown
  } = options;
  refuseUnknown(unknown, 'MeshAccelerator');
  if (typeof cgroup !== 'string' || cgroup === '')
    throw new TypeError('MeshAccelerator: cgroup must be the path of a cgroup2 directory');
  if (pods !== undefined && (typeof pods !== 'object' || pods === null || !(Symbol.iterator in pods)))
    throw new TypeError('MeshAccelerator: pods must be a list of addresses, or of pairs of address and options');
  if (acceleration !== undefined) assertAcceleration(acceleration, 'MeshAccelerator: acceleration');
  const sizes = { maxPods, maxRulePorts, maxRuleRanges, maxSockets };
  for (const [name, size] of Object.entries({ ...sizes, maxPodRulePorts, maxPodRuleRanges }))
    if (size !== undefined) assertInteger(size, name === 'maxSockets' ? 2 : 1, MAX_ENTRIES, `MeshAccelerator: ${name}`);
  assertInteger(backlogLimit, MiB, 1024 * MiB, 'MeshAccelerator: backlogLimit');
  if (backlogAccount !== 'auto' && backlogAccount !== 'programs')
    throw new TypeError(`MeshAccelerator: backlogAccount must be 'auto' or 'programs', not '${shown(backlogAccount)}'`);
  assertInteger(keepAlive, 0, 32_767, 'MeshAccelerator: keepAlive');
  assertAdvisories(ignoreAdvisories);
  resolveEvents(events);
  return {
    cgroup,
    pinDirectory: pinDirectory === undefined ? undefined : resolvePinDirectory(pinDirectory, 'MeshAccelerator'),
    profile: resolveProfile(profile),
    acceleration,
    pods,
    ...sizes,
    maxPodRulePorts,
    maxPodRuleRanges,
    backlogLimit,
    backlogAccount,
    keepAlive,
    ignoreAdvisories: typeof ignoreAdvisories === 'boolean' ? ignoreAdvisories : [...ignoreAdvisories],
    events,
  };
}

/**
 * A mistyped number must not look like one that is ignored; one that is not known here may be known to another version.
 */
function assertAdvisories(value: unknown): void {
  if (typeof value === 'boolean') return;
  if (!Array.isArray(value))
    throw new TypeError('MeshAccelerator: ignoreAdvisories must be true, false, or a list of CVE numbers or FIONREAD');
  for (const id of value as readonly unknown[])
    if (typeof id !== 'string' || !/^(?:CVE-\d{4}-\d{4,}|FIONREAD)$/.test(id))
      throw new TypeError(`MeshAccelerator: ignoreAdvisories: '${shown(id)}' is not the number of a CVE, nor FIONREAD`);
}
