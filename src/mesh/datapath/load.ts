import { availableParallelism } from 'node:os';
import { kernelVersion, OpenBpfObject, type BpfMap, type BpfObject, type OpenBpfMap } from '../../bpf';
import { requireFds } from '../../bpf/internal';
import { NotSupportedError, ObjectFileError, VerifierError } from '../../errors';
import { bufferSizes } from './buffer-sizes';
import { HOOKS, MESSAGE_PROGRAMS, messageProgram } from './hooks';
import { askedMaps, sizesWithDefaults } from '../maps/map-sizes';
import type { ResolvedOptions } from '../mesh-options';
import { objectPath } from '../objects';
import { programSettingsCodec } from './program-settings';
import type { BacklogAccount } from './witness';

/**
 * What a sk_msg program works with. It stays with its sockets, so it never works with some of the old and some of the
 * new ones.
 */
const OF_ACCELERATION: readonly string[] = [
  'mesh_settings',
  'local_pod_ips',
  'sock_pair_map',
  'peer_introductions',
  'socket_peer',
  'last_held',
  'socket_count',
];
/** A pod names a rule set by its number, so these are taken together or not at all. */
const OF_RULES: readonly string[] = ['local_pod_ips', 'pod_rules', 'pod_rule_ports', 'pod_rule_ranges'];

/** What a start opens after the programs are loaded: an attachment for each hook, locks, directories, the events. */
const LATER_FDS = 16;

/** An object, and which of the maps that were there it works with. */
export interface Loaded {
  readonly object: BpfObject;
  /** Names of maps that were there, but have another layout or size: the object has new ones. */
  readonly replaced: readonly string[];
  /** Whether these concern sockets that are accelerated now. */
  readonly replacesAcceleration: boolean;
}

/**
 * Loads the programs with the settings of a mesh.
 *
 * @internal
 * @param options - the profile, the sizes, the limits
 * @param account - who keeps the account of what waits
 * @param present - maps to work with instead of new ones where their layout is the same, by name
 */
export function load(
  options: ResolvedOptions,
  account: BacklogAccount,
  present: ReadonlyMap<string, BpfMap> = new Map(),
): Loaded {
  const path = objectPath('merbridge');
  using open = OpenBpfObject.openFile(path);
  const programs = open.programs().map(({ name }) => name);
  for (const name of [...MESSAGE_PROGRAMS, ...HOOKS.keys()])
    if (!programs.includes(name)) throw new ObjectFileError(path, `there is no program ${name} in it`);
  for (const name of MESSAGE_PROGRAMS) open.program(name).autoload = name === messageProgram();
  // A CPU takes free elements of an LRU map by the hundred: without room for all CPUs, fresh entries would be evicted.
  const perCpu = availableParallelism() * 1024;
  const pending = Math.max(16384, perCpu);
  const { maxPods, maxSockets, maxRulePorts, maxRuleRanges } = sizesWithDefaults(options);
  open.map('local_pod_ips').maxEntries = maxPods;
  open.map('netns_pods').maxEntries = Math.max(maxPods, pending);
  // Each pod may have rules of its own, and be given others.
  open.map('pod_rules').maxEntries = maxPods * 2;
  open.map('pod_rule_ports').maxEntries = maxRulePorts;
  open.map('pod_rule_ranges').maxEntries = maxRuleRanges;
  open.map('sock_pair_map').maxEntries = maxSockets;
  // Whoever wants to evict what others dial has to hold as many sockets.
  open.map('pair_original_dst').maxEntries = Math.max(65536, perCpu);
  open.map('peer_introductions').maxEntries = Math.max(pending, Math.ceil(maxSockets / 4));
  open.variable('profile').set(
    {
      profile: options.profile,
      charged: account === 'kernel',
      keepAlive: options.keepAlive,
      weaklyOrdered: process.arch !== 'x64',
      ...bufferSizes(options.backlogLimit),
    },
    programSettingsCodec,
  );
  const { replaced, replacesAcceleration } = adopt(open.maps(), present, askedMaps(options));
  // All of them now, while nothing is pinned: taking back takes file descriptors, too.
  requireFds(open.maps().length - present.size + programs.length + LATER_FDS, open.label);
  try {
    return { object: open.load(), replaced, replacesAcceleration };
  } catch (error) {
    const { major, minor } = kernelVersion();
    if (error instanceof VerifierError && (major < 5 || (major === 5 && minor < 15)))
      throw new NotSupportedError('network namespace cookies in sockops, getsockopt and sk_msg', {
        minimumKernel: '5.15',
        cause: error,
      });
    throw error;
  }
}

/**
 * Decides for each map whether the one that is there is taken. Sizes that nobody asked for are those that are there.
 */
function adopt(
  declared: OpenBpfMap[],
  present: ReadonlyMap<string, BpfMap>,
  sized: ReadonlySet<string>,
): Omit<Loaded, 'object'> {
  const pairs = declared.flatMap(map => {
    const pinned = present.get(map.name);
    return pinned === undefined ? [] : [{ map, pinned }];
  });
  const replaced = new Set(
    pairs.filter(({ map, pinned }) => !fits(map, pinned, sized.has(map.name))).map(({ map }) => map.name),
  );
  // The rules first: they have a map in common with what belongs to acceleration.
  for (const group of [OF_RULES, OF_ACCELERATION])
    if (group.some(name => replaced.has(name)))
      for (const { map } of pairs) if (group.includes(map.name)) replaced.add(map.name);
  for (const { map, pinned } of pairs) {
    if (!sized.has(map.name) && pinned.maxEntries > 0 && !isArray(map)) map.maxEntries = pinned.maxEntries;
    if (!replaced.has(map.name)) map.reuse(pinned);
  }
  return { replaced: [...replaced], replacesAcceleration: OF_ACCELERATION.some(name => replaced.has(name)) };
}

function fits(map: OpenBpfMap, pinned: BpfMap, isSized: boolean): boolean {
  if (
    map.type !== pinned.type ||
    map.keySize !== pinned.keySize ||
    map.valueSize !== pinned.valueSize ||
    map.flags !== pinned.flags
  )
    return false;
  return map.maxEntries === pinned.maxEntries || (!isSized && !isArray(map));
}

/** The length of an array is a part of its layout. */
function isArray(map: OpenBpfMap): boolean {
  return map.type.endsWith('array');
}
