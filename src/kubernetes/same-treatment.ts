import { isIPv4 } from 'node:net';
import type { PodOptions } from '../mesh';

/** What a pod without rules of its own has. */
const DEFAULT_RULES: Readonly<Record<string, unknown>> = {
  includeInboundPorts: '*',
  excludeInboundPorts: [],
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  includeOutboundRanges: '*',
  excludeOutboundRanges: [],
};

/**
 * Whether two pods are treated alike: what was asked for and what was read back from the maps may differ in order, in repetitions, in what is
 * left out, and in the host bits of a range.
 *
 * @internal
 */
export function sameTreatment(one: PodOptions, other: PodOptions): boolean {
  return one === other || canonical(one) === canonical(other);
}

const known = new WeakMap<PodOptions, string>();

/** Options are never changed in place, so one that was seen before need not be looked at again. */
function canonical(options: PodOptions): string {
  let text = known.get(options);
  if (text === undefined) {
    const { acceleration = 'inherit', rules = {} } = options as PodOptions & { rules?: Readonly<Record<string, unknown>> };
    const given = Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined));
    const complete = Object.entries({ ...DEFAULT_RULES, ...given }).map(([name, value]) => [name, setOf(value)] as const);
    text = JSON.stringify([acceleration, complete.sort(([a], [b]) => (a < b ? -1 : 1))]);
    known.set(options, text);
  }
  return text;
}

function setOf(value: unknown): unknown {
  return Array.isArray(value) ? [...new Set(value.map(networkOf))].sort() : value;
}

/** A range without its host bits, an address as a range; everything else as text. */
function networkOf(entry: unknown): string {
  const text = String(entry).trim();
  const [address = '', length = '32'] = text.split('/');
  if (!isIPv4(address)) return text;
  const bits = Number(length);
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - bits);
  return `${Math.floor(number / size) * size}/${bits}`;
}
