import { availableParallelism } from 'node:os';
import { OpenBpfObject, type BpfMap, type BpfObject, type OpenBpfMap } from '../../bpf';
import { requireFds } from '../../bpf/internal';
import { ObjectFileError, VerifierError } from '../../errors';
import { bufferSizes } from './buffer-sizes';
import { HOOKS, MESSAGE_PROGRAMS, messageProgram } from './hooks';
import { askedMaps, sizesWithDefaults } from '../maps/map-sizes';
import type { ResolvedOptions } from '../mesh-options';
import { objectPath } from '../objects';
import { programSettingsCodec } from './program-settings';
import { whatKernelLacks } from './what-kernel-lacks';
import type { BacklogAccount } from './witness';

/**
 * Maps that the sk_msg program uses. Sockets keep their program, so it must never use old maps together with new ones:
 * these maps are reused together or not at all.
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
/** A pod refers to a rule set by its number, so these maps are reused together or not at all. */
const OF_RULES: readonly string[] = ['local_pod_ips', 'pod_rules', 'pod_rule_ports', 'pod_rule_ranges'];

/** File descriptors that a start opens after loading: a link for each hook, locks, directories, the ring buffer. */
const LATER_FDS = 16;

/** A loaded object, and which existing maps it could not reuse. */
export interface Loaded {
  readonly object: BpfObject;
  /** Names of existing maps that have another layout or size, so the object has new ones. */
  readonly replaced: readonly string[];
  /** Whether one of these maps is used by sockets that are accelerated now. */
  readonly replacesAcceleration: boolean;
}

/**
 * Loads the programs with the settings of a mesh.
 *
 * @internal
 * @param options - the profile, the sizes, the limits
 * @param account - whether the kernel or the programs count the bytes that wait in accelerated sockets
 * @param present - existing maps by name. They are reused instead of creating new ones if their layout is the same
 * @returns the object, which the caller closes
 * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if the compiled object is missing or lacks a program
 * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if the kernel rejects a program because it lacks a feature
 * @throws VerifierError (`ERR_BPF_VERIFIER`) if it rejects a program for another reason
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the limit of open files is too low, or the kernel refuses; `errnoName`
 * says why
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
  // A CPU takes free elements of an LRU map in batches of about a hundred. If the map had no room for all CPUs, the
  // kernel would evict fresh entries.
  const perCpu = availableParallelism() * 1024;
  const pending = Math.max(16384, perCpu);
  const { maxPods, maxSockets, maxRulePorts, maxRuleRanges } = sizesWithDefaults(options);
  open.map('local_pod_ips').maxEntries = maxPods;
  open.map('netns_pods').maxEntries = Math.max(maxPods, pending);
  // Each pod may have rules of its own. While they are replaced, the old and the new rules exist together.
  open.map('pod_rules').maxEntries = maxPods * 2;
  open.map('pod_rule_ports').maxEntries = maxRulePorts;
  open.map('pod_rule_ranges').maxEntries = maxRuleRanges;
  open.map('sock_pair_map').maxEntries = maxSockets;
  // To evict the entries of others, a process would have to hold half as many sockets as this.
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
  // Checked for all of them now, while nothing is pinned: undoing a failed start needs file descriptors, too.
  requireFds(open.maps().length - present.size + programs.length + LATER_FDS, open.label);
  try {
    return { object: loadEither(open), replaced, replacesAcceleration };
  } catch (error) {
    throw (error instanceof VerifierError ? whatKernelLacks(error) : undefined) ?? error;
  }
}

/**
 * Loads the object. The release of a kernel does not say for certain what its verifier accepts, so if it refuses the
 * faster variant of the sk_msg program, the object is loaded with the other one.
 */
function loadEither(open: OpenBpfObject): BpfObject {
  const [faster, byCalls] = MESSAGE_PROGRAMS;
  try {
    return open.load();
  } catch (error) {
    if (!(error instanceof VerifierError) || error.program !== faster) throw error;
    open.program(faster).autoload = false;
    open.program(byCalls).autoload = true;
    return open.load();
  }
}

/**
 * Decides for each map whether to reuse the existing one. If the caller did not ask for a size, that of the existing
 * map is kept.
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
  // The rules come first, because both groups contain `local_pod_ips`.
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

/** Whether a map is an array. The length of an array is part of its layout. */
function isArray(map: OpenBpfMap): boolean {
  return map.type.endsWith('array');
}
