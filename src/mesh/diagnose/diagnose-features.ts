import { OpenBpfObject, type BpfObject, type MapTypeName } from '../../bpf';
import { attachesByLink, requireBpf, requireBtf, requireTypes } from '../../bpf/internal';
import {
  BpfError,
  exhausted,
  FIONREAD_PROGRAMS,
  NotSupportedError,
  PermissionError,
  VerifierError,
} from '../../errors';
import { HOOKS, MESSAGE_PROGRAMS, messageProgram } from '../datapath/hooks';
import { objectPath } from '../objects';
import { MAP_TYPES } from '../requirements';
import { whatKernelLacks } from '../datapath/what-kernel-lacks';
import { witness, type Witness } from '../datapath/witness';

/** A feature of the kernel. */
export interface DiagnosedFeature {
  /** Name of the feature, such as `cgroup/connect4`, `sk_msg` or `LPM trie`. */
  readonly name: string;
  /** Whether acceleration needs it. */
  readonly required: boolean;
  /** Whether it works here. `undefined` if it could not be tested. */
  readonly supported: boolean | undefined;
  /** Why it does not work, or why that is not known. */
  readonly reason?: string | undefined;
}

/** Loads one of the shipped programs alone, with the smallest maps. The caller closes the object. */
function loadAlone(name: string): BpfObject {
  using open = OpenBpfObject.openFile(objectPath('merbridge'));
  for (const program of open.programs()) program.autoload = program.name === name;
  for (const map of open.maps()) if (map.type.endsWith('hash')) map.maxEntries = 1;
  try {
    return open.load();
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error;
    const [faster, byCalls] = MESSAGE_PROGRAMS;
    if (name === faster) return loadAlone(byCalls); // as a start does
    throw whatKernelLacks(error) ?? error;
  }
}

/**
 * Makes a one-line reason from an error. The log of the verifier can have thousands of lines, so only the first line is
 * used. The failed operation is left out, because the same missing feature has the same reason in every operation.
 */
function reasonOf(error: unknown): string {
  if (error instanceof PermissionError)
    return error.missing.length > 0 ? `the process lacks ${error.missing.join(', ')}` : error.hint!;
  const { message, hint, operation, subject } = error as BpfError;
  const line = message.split('\n', 1)[0] ?? '';
  const place =
    error instanceof NotSupportedError ? `${[operation, subject].filter(part => part !== undefined).join(' ')}: ` : '';
  const text = line.startsWith(place) ? line.slice(place.length) : line;
  return hint === undefined || text.includes(hint) ? text : `${text} (${hint})`;
}

/**
 * Whether an error leaves open if the kernel has the feature: the process lacks a capability, libbpf, the compiled
 * programs, memory or a file descriptor.
 */
function isUnknown(error: unknown): boolean {
  if (!(error instanceof BpfError) || error instanceof PermissionError || exhausted(error) !== undefined) return true;
  return error.code === 'ERR_BPF_LIBRARY_LOAD' || error.code === 'ERR_BPF_OBJECT_FILE';
}

function attempt(
  name: string,
  required: boolean,
  body: () => boolean | void,
  otherwise = 'the kernel does not support it',
): DiagnosedFeature {
  try {
    return body() === false
      ? { name, required, supported: false, reason: otherwise }
      : { name, required, supported: true };
  } catch (error) {
    return { name, required, supported: isUnknown(error) ? undefined : false, reason: reasonOf(error) };
  }
}

const NAMES: Partial<Record<MapTypeName, string>> = {
  lpm_trie: 'LPM trie',
  lru_hash: 'LRU hash',
  ringbuf: 'ring buffer',
  array_of_maps: 'array of maps',
};

const NOT_FOR_FULL =
  "the kernel does not support it: use 'full' only for pods whose programs do not rely on FIONREAD; " +
  `${FIONREAD_PROGRAMS.join(', ')} rely on it and hang, so their pods need 'proxies'`;

/**
 * Tests the features that every program needs, each one alone. bpf(2) comes first, because map types cannot be
 * tested without it.
 */
function diagnoseBase(): DiagnosedFeature[] {
  const bpf = attempt('bpf(2)', true, requireBpf);
  const map = (type: MapTypeName): DiagnosedFeature => {
    const name = NAMES[type] ?? type;
    return bpf.supported === true
      ? attempt(name, true, () => requireTypes({ maps: [type], programs: [] }))
      : { ...bpf, name, supported: undefined };
  };
  return [bpf, attempt('BTF', true, requireBtf), ...MAP_TYPES.map(map)];
}

/**
 * Lists the required features that do not work, one entry for each reason. A feature that could not be tested because
 * of another problem is not listed beside it.
 *
 * @internal
 * @param features - results of the tests
 * @param told - reasons that are listed already
 * @returns one text for each problem
 */
export function problemsOf(features: readonly DiagnosedFeature[], told: readonly string[]): string[] {
  const names = new Map<string, string[]>();
  for (const { name, required, supported, reason = '' } of features) {
    if (!required || supported === true || told.includes(reason)) continue;
    const others = names.get(reason) ?? [];
    // Features that could not be tested have the same cause as the first one.
    if (supported === false || others.length === 0) names.set(reason, [...others, name]);
  }
  return [...names].map(([reason, of]) => `${of.join(', ')}: ${reason === '' ? 'not supported' : reason}`);
}

/**
 * Tests each feature by creating a map or loading one of the shipped programs, and closes it again. The only attachment
 * is that of a program to a private sockmap with two sockets of this process.
 *
 * @internal
 * @returns the results
 */
export function diagnoseFeatures(): DiagnosedFeature[] {
  const features = diagnoseBase();
  // Loading any program of the object creates all of its maps, so nothing can be tested if one map type is missing.
  const missing = features.find(({ supported }) => supported !== true);
  const programs: readonly (readonly [name: string, program: string])[] = [
    ...[...HOOKS].map(([program, { attachType }]) => [attachType, program] as const).reverse(),
    ['sk_msg', messageProgram()],
  ];
  for (const [name, program] of programs) {
    if (missing !== undefined) {
      features.push({ ...missing, name, supported: undefined });
      continue;
    }
    features.push(
      attempt(name, true, () => {
        using object = loadAlone(program);
        if (program === 'mb_connect4')
          features.push(attempt('links of cgroups', true, () => attachesByLink(object.program(program))));
      }),
    );
  }
  const of = (name: string): DiagnosedFeature | undefined => features.find(feature => feature.name === name);
  const because = (name: string, from: string): void => {
    const { supported, reason } = of(from)!;
    if (of(name) === undefined)
      features.push({
        name,
        required: true,
        supported: supported === true ? true : undefined,
        ...(reason !== undefined && { reason }),
      });
  };
  because('links of cgroups', 'cgroup/connect4');
  // Without it the programs cannot identify network namespaces, and the kernel does not load them.
  because('network namespace cookies', 'sockops');
  let seen: Witness | undefined;
  const see = (): Witness => {
    if (seen !== undefined) return seen;
    seen = witness();
    seen.pair.close();
    return seen;
  };
  features.push(
    attempt('redirected bytes charged to their receiver', false, () => see().chargesReceiver),
    attempt('redirected bytes counted by FIONREAD', false, () => see().fionreadCounts !== 'stack', NOT_FOR_FULL),
  );
  return features;
}

/** Names of the shipped programs, truncated to 15 bytes as in the kernel. @internal */
export const OUR_PROGRAMS: ReadonlySet<string> = new Set(
  [...HOOKS.keys(), ...MESSAGE_PROGRAMS].map(name => name.slice(0, 15)),
);
