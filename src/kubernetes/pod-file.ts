import { printable, quoted } from '../errors';
import {
  assertCgroup,
  isPodAcceleration,
  isRecord,
  podAddressIfAny,
  ruleSetOf,
  type PodOptions,
  type PodRules,
} from '../policy';
import { PodFileError } from './errors';
import type { SourcePod } from './pod-source';

/**
 * Reads a file of pods, all of it or nothing.
 *
 * @internal
 * @throws PodFileError with the address of the entry that is wrong
 */
export function parsePods(text: string, path: string): Map<string, SourcePod> {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new PodFileError(path, problem, { cause });
  };
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    // Which quotes the text as it is, so it is no cause.
    refuse(`not JSON, or only a part of it: ${printable((error as Error).message)}`);
  }
  const twice = doubleKey(text);
  if (twice !== undefined) refuse(`'${printable(twice, 80)}' is there twice`);
  if (!isRecord(content)) return refuse('an object with addresses as its keys is needed');
  const pods = new Map<string, SourcePod>();
  for (const [key, value] of Object.entries(content)) {
    const text = printable(key, 80);
    const address = podAddressIfAny(key) ?? refuse(`'${text}' is not an IPv4 address that a pod has`);
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
    if (pods.has(address)) refuse(`${text} is there twice`);
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

/** A key that one of the objects has twice: `JSON.parse` would take the last of them. The text is known to be JSON. */
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
