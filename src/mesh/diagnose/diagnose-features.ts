import {
  attachesByLink, BpfLpmTrieMap, BpfSockHashMap, OpenBpfObject, RingBuffer, type BpfObject,
} from '../../bpf';
import { bytes, u32 } from '../../codec';
import { BpfError, PermissionError } from '../../errors';
import { HOOKS, MESSAGE_PROGRAMS, messageProgram } from '../hooks';
import { objectPath } from '../objects';
import { witness } from '../witness';

/** Something that the kernel has to be able to do. */
export interface DiagnosedFeature {
  /** Such as `cgroup/connect4`, `sk_msg`, `LPM trie`. */
  readonly name: string;
  /** Whether acceleration needs it. */
  readonly required: boolean;
  /** Whether it works here; `undefined` if that could not be tried. */
  readonly supported: boolean | undefined;
  /** Why it does not, or why it is not known. */
  readonly reason?: string;
}

/** Loads one of the shipped programs alone, with the smallest maps. The caller closes it. */
function loadAlone(name: string): BpfObject {
  using open = OpenBpfObject.openFile(objectPath('merbridge'));
  for (const program of open.programs()) program.autoload = program.name === name;
  for (const map of open.maps()) if (map.type.endsWith('hash')) map.maxEntries = 1;
  return open.load();
}

/** The first line is enough: the log of a verifier has thousands. */
function reasonOf(error: unknown): string {
  if (error instanceof PermissionError && error.missing.length > 0) return `the process lacks ${error.missing.join(', ')}`;
  const { message, hint } = error as BpfError;
  const line = message.split('\n', 1)[0] ?? '';
  return hint === undefined || line.includes(hint) ? line : `${line} (${hint})`;
}

function attempt(name: string, required: boolean, body: () => boolean | void): DiagnosedFeature {
  try {
    return body() === false ? { name, required, supported: false, reason: 'the kernel does not do it' } : { name, required, supported: true };
  } catch (error) {
    const code = error instanceof BpfError ? error.code : undefined;
    // Who may not try does not know. Neither does who has no libbpf, or no compiled programs.
    const unknown = error instanceof PermissionError || code === 'ERR_BPF_LIBRARY_LOAD' || code === 'ERR_BPF_OBJECT_FILE' || code === undefined;
    return { name, required, supported: unknown ? undefined : false, reason: reasonOf(error) };
  }
}

/**
 * Tries each feature: makes a map, or loads one of the shipped programs, and takes it back. The one attachment is that of a program to a sockmap
 * of its own with two sockets of this process.
 *
 * @internal
 */
export function diagnoseFeatures(): DiagnosedFeature[] {
  const features = [
    attempt('sockhash', true, () => BpfSockHashMap.create({ name: 'probe', key: u32, maxEntries: 1 }).close()),
    attempt('LPM trie', true, () => BpfLpmTrieMap.create({ name: 'probe', key: bytes(8), value: u32, maxEntries: 1 }).close()),
    attempt('ring buffer', true, () => RingBuffer.create({ name: 'probe', value: u32, bytes: 65_536 }).close()),
  ];
  const programs: readonly (readonly [name: string, program: string])[] = [
    ...[...HOOKS].map(([program, hook]) => [hook, program] as const).reverse(),
    ['sk_msg', messageProgram()],
  ];
  for (const [name, program] of programs)
    features.push(
      attempt(name, true, () => {
        using object = loadAlone(program);
        // Every program of the object brings the storage of sockets along.
        if (program !== 'mb_connect4') return;
        features.push({ name: 'sk_storage', required: true, supported: true });
        features.push(attempt('links of cgroups', true, () => attachesByLink(object.program(program))));
      }),
    );
  const of = (name: string): DiagnosedFeature | undefined => features.find((feature) => feature.name === name);
  const because = (name: string, from: string): void => {
    const { supported, reason } = of(from)!;
    if (of(name) === undefined) features.push({ name, required: true, supported: supported === true ? true : undefined, ...(reason !== undefined && { reason }) });
  };
  because('sk_storage', 'cgroup/connect4');
  because('links of cgroups', 'cgroup/connect4');
  // These programs name no network namespace without it, and are not loaded then.
  because('network namespace cookies', 'sockops');
  features.push(
    attempt('redirected bytes charged to their receiver', false, () => {
      const { chargesReceiver, pair } = witness();
      pair.close();
      return chargesReceiver;
    }),
  );
  return features;
}

/** Names of the shipped programs, as the kernel cuts them to 15 bytes. @internal */
export const OUR_PROGRAMS: ReadonlySet<string> = new Set([...HOOKS.keys(), ...MESSAGE_PROGRAMS].map((name) => name.slice(0, 15)));
