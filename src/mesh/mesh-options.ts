import { shown } from '../errors';
import { assertInteger, refuseUnknown } from '../checks';
import {
  assertAcceleration,
  resolveProfile,
  type Acceleration,
  type MeshProfile,
  type MeshProfileName,
  type PodOptions,
} from '../policy';
import { resolvePinDirectory } from './pins/pin-path';
import { resolveEvents, type EventOptions } from './events/event-options';
import type { MapSizes } from './maps/map-sizes';

/** Options of {@link MeshAccelerator.start}. */
export interface MeshAcceleratorOptions {
  /**
   * Path of a directory in a cgroup2 file system. The programs run for all processes in it and its descendants, so it
   * must contain the sidecars and applications of all pods: on a Kubernetes node `kubepods.slice` (systemd) or
   * `kubepods`.
   */
  readonly cgroup: string;
  /**
   * Path of a pin directory in a BPF file system, such as `/sys/fs/bpf/merbridge`. It must not be the root of that file
   * system. It is created with mode 0700. An existing directory must belong to the user of this process, other users
   * must not be able to write to it, and its owner and mode are not changed.
   *
   * With a pin directory, everything stays attached when this process ends for any reason: connections are redirected
   * and accelerated without it. The next start with the same directory takes over and loses no connection.
   * {@link MeshAccelerator.close} only releases what this process holds; `detachAll` removes everything. Default: none.
   * Then everything is detached when this process ends.
   */
  readonly pinDirectory?: string | undefined;
  /**
   * The mesh whose sidecars run here: the name of one of {@link meshProfiles}, or a custom profile. Default: `'istio'`.
   */
  readonly profile?: MeshProfileName | MeshProfile | undefined;
  /**
   * Scope of acceleration for pods that do not set their own. Default: that of the pinned mesh, otherwise `'proxies'`.
   */
  readonly acceleration?: Acceleration | undefined;
  /**
   * Pods to enrol before the first program is attached, so that none of their connections is missed. If pins are taken
   * over, exactly these pods are enrolled afterwards. Without this option the pinned pods stay enrolled.
   */
  readonly pods?: Iterable<string | readonly [address: string, options: PodOptions]> | undefined;
  /** Maximum number of pods, 1 or more. Default: that of the pinned mesh, otherwise 16384. */
  readonly maxPods?: number | undefined;
  /**
   * Maximum number of ports in the rules of all pods. Each list counts separately, and equal rules of several pods
   * count once. While the rules of a pod are replaced, the old and the new ones both count. Memory is allocated as
   * needed. Default: that of the pinned mesh, otherwise 131072.
   */
  readonly maxRulePorts?: number | undefined;
  /**
   * Maximum number of address ranges in the rules of all pods, counted like `maxRulePorts`. Default: that of the pinned
   * mesh, otherwise 262144.
   */
  readonly maxRuleRanges?: number | undefined;
  /**
   * Maximum number of ports in all lists of the rules of one pod, 1 or more. Rules with more ports are refused
   * (`ERR_BPF_POD_RULES`). The pod keeps its previous rules, and other pods are not affected. So a user who may
   * annotate one pod cannot take the room of all. Default: 1/128 of `maxRulePorts` (1024).
   */
  readonly maxPodRulePorts?: number | undefined;
  /**
   * Maximum number of address ranges in all lists of the rules of one pod. Default: 1/128 of `maxRuleRanges` (2048).
   */
  readonly maxPodRuleRanges?: number | undefined;
  /**
   * Maximum number of sockets that are accelerated at the same time, two for each connection. Further sockets stay on
   * the TCP stack. Default: that of the pinned mesh, otherwise 65536. A size that differs from that of the pinned mesh
   * sends accelerated connections back to the TCP stack.
   */
  readonly maxSockets?: number | undefined;
  /**
   * Bytes that may wait unread in one accelerated socket, 1 MiB to 1 GiB. Default: 2 MiB. If a sender is further ahead
   * of its reader, it goes back to the TCP stack, whose window limits it. Its connection is plain TCP from then on. The
   * same happens if an application sends more than 64 KiB before its sidecar has read anything. The limit also bounds
   * the number of messages, because each message counts as at least 512 bytes.
   */
  readonly backlogLimit?: number | undefined;
  /**
   * Who counts the bytes that wait in accelerated sockets. Default: `'auto'`, which means the kernel if it can (the
   * start tests that), otherwise the programs.
   */
  readonly backlogAccount?: 'auto' | 'programs' | undefined;
  /**
   * Seconds, 0 to 32767, after which TCP probes an accelerated connection between two pods that has sent no segment
   * (TCP_KEEPIDLE, TCP_KEEPINTVL). Default: 60. 0 means no probes.
   *
   * Data that is moved from socket to socket is not sent in segments. Without probes, connection tracking and firewalls
   * on the node would forget the connection and drop its FIN. The socket of the pod that dialled gets the setting,
   * unless it has SO_KEEPALIVE when it dials. Values that the application sets later remain. A TCP_KEEPIDLE that it set
   * before, without SO_KEEPALIVE, is overwritten.
   */
  readonly keepAlive?: number | undefined;
  /**
   * Which warnings about the kernel to suppress: `true` for all, or a list of CVE numbers such as `['CVE-2025-38154']`,
   * for kernels whose distribution has backported the fixes. `'FIONREAD'` in the list suppresses the warning about
   * {@link MeshAccelerator.fionreadCounts}, for nodes on which no application relies on it. Default: `false`, none.
   */
  readonly ignoreAdvisories?: boolean | readonly string[] | undefined;
  /**
   * Which events the programs send: all, none, or some, with a rate limit for each kind. Default: `false`, none. Adding
   * a listener does not enable events. {@link MeshAccelerator.events} changes this option later.
   */
  readonly events?: boolean | EventOptions | undefined;
}

/**
 * Validated options. An option whose default comes from the pinned mesh stays `undefined` if the caller did not set it,
 * because it is not known yet whether a mesh is pinned. All other defaults are filled in.
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
 * Validates the options of the caller.
 *
 * @internal
 * @param options - of {@link MeshAccelerator.start}
 * @returns the options with defaults filled in
 * @throws TypeError if an option is unknown or of the wrong type
 * @throws RangeError if a number is out of range
 * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if the passthrough address of the profile is invalid
 */
export function resolveOptions(options: MeshAcceleratorOptions): ResolvedOptions {
  if (typeof options !== 'object' || options === null)
    throw new TypeError('MeshAccelerator: options must be an object with the path of a cgroup');
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
 * Refuses a mistyped CVE number, which would silently suppress nothing. A well-formed number that this version does not
 * know is accepted, because another version may know it.
 */
function assertAdvisories(value: unknown): void {
  if (typeof value === 'boolean') return;
  if (!Array.isArray(value))
    throw new TypeError('MeshAccelerator: ignoreAdvisories must be true, false, or a list of CVE numbers or FIONREAD');
  for (const id of value as readonly unknown[])
    if (typeof id !== 'string' || !/^(?:CVE-\d{4}-\d{4,}|FIONREAD)$/.test(id))
      throw new TypeError(`MeshAccelerator: ignoreAdvisories: '${shown(id)}' is neither a CVE number nor FIONREAD`);
}
