import { OpenBpfObject, type BpfObject, type MapTypeName } from '../../bpf';
import { attachesByLink, requireBpf, requireBtf, requireTypes } from '../../bpf/internal';
import { BpfError, exhausted, FIONREAD_PROGRAMS, NotSupportedError, PermissionError } from '../../errors';
import { HOOKS, MESSAGE_PROGRAMS, messageProgram } from '../datapath/hooks';
import { objectPath } from '../objects';
import { MAP_TYPES } from '../requirements';
import { witness, type Witness } from '../datapath/witness';

/** Something that the kernel has to be able to do. */
export interface DiagnosedFeature {
  /** Such as `cgroup/connect4`, `sk_msg`, `LPM trie`. */
  readonly name: string;
  /** Whether acceleration needs it. */
  readonly required: boolean;
  /** Whether it works here; `undefined` if that could not be tried. */
  readonly supported: boolean | undefined;
  /** Why it does not, or why it is not known. */
  readonly reason?: string | undefined;
}

/** Loads one of the shipped programs alone, with the smallest maps. The caller closes it. */
function loadAlone(name: string): BpfObject {
  using open = OpenBpfObject.openFile(objectPath('merbridge'));
  for (const program of open.programs()) program.autoload = program.name === name;
  for (const map of open.maps()) if (map.type.endsWith('hash')) map.maxEntries = 1;
  return open.load();
}

/**
 * The first line is enough: the log of a verifier has thousands. What is missing is the same wherever it was missed.
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

/** Who may not try does not know. Neither does who has no libbpf, no compiled programs, or no file descriptor left. */
function isUnknown(error: unknown): boolean {
  if (!(error instanceof BpfError) || error instanceof PermissionError || exhausted(error) !== undefined) return true;
  return error.code === 'ERR_BPF_LIBRARY_LOAD' || error.code === 'ERR_BPF_OBJECT_FILE';
}

function attempt(
  name: string,
  required: boolean,
  body: () => boolean | void,
  otherwise = 'the kernel does not do it',
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
  "the kernel does not do it: 'full' is for pods whose programs do not go by FIONREAD; " +
  `${FIONREAD_PROGRAMS.join(', ')} do and hang, their pods need 'proxies'`;

/**
 * What has to be there for any program: each looked for alone, and those of the kernel's own first, which the others
 * need.
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
 * What stands in the way, each thing once: what only fails because of another is not listed beside it.
 *
 * @internal
 * @param features - what was found
 * @param told - reasons that are problems already
 */
export function problemsOf(features: readonly DiagnosedFeature[], told: readonly string[]): string[] {
  const names = new Map<string, string[]>();
  for (const { name, required, supported, reason = '' } of features) {
    if (!required || supported === true || told.includes(reason)) continue;
    const others = names.get(reason) ?? [];
    // Those that could not be tried follow from the first one.
    if (supported === false || others.length === 0) names.set(reason, [...others, name]);
  }
  return [...names].map(([reason, of]) => `${of.join(', ')}: ${reason === '' ? 'not supported' : reason}`);
}

/**
 * Tries each feature: makes a map, or loads one of the shipped programs, and takes it back. The one attachment is that
 * of a program to a sockmap of its own with two sockets of this process.
 *
 * @internal
 */
export function diagnoseFeatures(): DiagnosedFeature[] {
  const features = diagnoseBase();
  // Each program of the object brings all of its maps along.
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
  // These programs name no network namespace without it, and are not loaded then.
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

/** Names of the shipped programs, as the kernel cuts them to 15 bytes. @internal */
export const OUR_PROGRAMS: ReadonlySet<string> = new Set(
  [...HOOKS.keys(), ...MESSAGE_PROGRAMS].map(name => name.slice(0, 15)),
);
