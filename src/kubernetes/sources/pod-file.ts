import { printable, quoted } from '../../errors';
import { isRecord } from '../../checks';
import {
  assertCgroup,
  isPodAcceleration,
  podAddressIfAny,
  ruleSetOf,
  type PodOptions,
  type PodRules,
} from '../../policy';
import { PodFileError } from '../errors';
import type { SourcePod } from './pod-source';

/**
 * Parses a file of pods, completely or not at all.
 *
 * @internal
 * @throws PodFileError (`ERR_POD_FILE`) if the file is invalid; it names the address of the invalid entry
 */
export function parsePods(text: string, path: string): Map<string, SourcePod> {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new PodFileError(path, problem, { cause });
  };
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    // Not passed as the cause, because it quotes the text unredacted.
    refuse(`invalid or incomplete JSON: ${printable((error as Error).message)}`);
  }
  const twice = doubleKey(text);
  if (twice !== undefined) refuse(`'${printable(twice, 80)}' appears twice`);
  if (!isRecord(content)) return refuse('it must be an object whose keys are addresses');
  const pods = new Map<string, SourcePod>();
  for (const [key, value] of Object.entries(content)) {
    const text = printable(key, 80);
    const address = podAddressIfAny(key) ?? refuse(`'${text}' is not an IPv4 address that a pod can have`);
    if (!isRecord(value)) return refuse(`${text}: its options must be an object`);
    const { acceleration, annotations, cgroup, rules, ...unknown } = value;
    const [extra] = Object.keys(unknown);
    if (extra !== undefined) refuse(`${text}: unknown option '${printable(extra, 80)}'`);
    if (acceleration !== undefined && !isPodAcceleration(acceleration))
      refuse(`${text}: acceleration must be 'off', 'proxies', 'full' or 'inherit', not ${quoted(acceleration)}`);
    if (
      annotations !== undefined &&
      !(isRecord(annotations) && Object.values(annotations).every(entry => typeof entry === 'string'))
    )
      refuse(`${text}: annotations must be an object of strings`);
    try {
      if (rules !== undefined) ruleSetOf(rules as PodRules);
      if (cgroup !== undefined) assertCgroup(cgroup);
    } catch (error) {
      refuse(`${text}: ${(error as Error).message}`, error);
    }
    if (pods.has(address)) refuse(`${text} appears twice`);
    pods.set(address, {
      name: address,
      addresses: [address],
      options: {
        ...(acceleration !== undefined && { acceleration }),
        ...(rules !== undefined && { rules }),
        ...(cgroup !== undefined && { cgroup }),
      } as PodOptions,
      ...(annotations !== undefined && { annotations: annotations as Record<string, string> }),
    });
  }
  return pods;
}

/** Finds a duplicate key of any object, of which `JSON.parse` would use the last one. The text must be valid JSON. */
function doubleKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"\s*:?|[{}[\]]/g)) {
    if (token === '{' || token === '[') {
      open.push(new Set());
    } else if (token === '}' || token === ']') {
      open.pop();
    } else if (token.endsWith(':')) {
      const key = JSON.parse(token.slice(0, -1)) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}
