import fc from 'fast-check';
import type { PodRules } from 'merbridge';

/** Who dials: an application, the sidecar, and a program of another user in the sidecar's group. */
export const USERS = { application: { uid: 2000 }, sidecar: { uid: 1337 }, group: { uid: 3000, gid: 1337 } } as const;

/** Where the pods of a {@link RuleNode} are, and what is beyond: FOREIGN lies at the node and is no pod of it. */
export const SUBNET = 21;
export const OWN = `10.244.${SUBNET}.10`;
export const OTHER = `10.244.${SUBNET}.11`;
export const STRANGER = `10.244.${SUBNET}.12`;
export const FOREIGN = ['198.51.100.7', '198.51.100.200', '203.0.113.9'] as const;
export const PASSTHROUGH = '127.0.0.6';

/** Somebody listens on these in every pod, and nobody on those. */
export const LISTENING = [8080, 9090, 7000, 15002, 15008, 15020, 15021, 15090] as const;
export const SILENT = [8081, 9091, 7001] as const;
export const SIDECAR_PORTS = [15001, 15006] as const;

const RANGES = [
  '0.0.0.0/0',
  '10.244.0.0/16',
  `10.244.${SUBNET}.8/30`,
  `${OWN}/32`,
  `${OTHER}/32`,
  `${STRANGER}/32`,
  '198.51.100.0/24',
  '198.51.100.99/25',
  '198.51.100.7/32',
  '203.0.113.0/24',
  '192.0.2.0/24',
  'fd00::/8',
  '::/0', // one with bits behind its prefix, three that never match
] as const;
const LOOPBACK_RANGES = ['127.0.0.0/8', '127.0.0.1/32', '127.9.0.0/16', '127.128.0.0/9', '::1/128'] as const;

/** Whether an address is of the dialling pod itself. */
export function isLocal(address: string): boolean {
  return address === OWN || address.startsWith('127.') || address === '0.0.0.0';
}

/** One connection. */
export interface RuleCase {
  readonly user: keyof typeof USERS;
  readonly destination: string;
  readonly port: number;
  /** Bound before; '' is not. */
  readonly source: '' | typeof PASSTHROUGH | typeof OWN;
  /** Dialled from an IPv6 socket. */
  readonly mapped: boolean;
}

/** Rules of two pods, and connections that the first one makes under them. */
export interface RuleRound {
  readonly own: PodRules;
  readonly other: PodRules;
  /** Given to the library as annotations, with this space around their entries; as they are if undefined. */
  readonly space?: string;
  readonly cases: readonly RuleCase[];
}

type Weighted<T> = readonly (readonly [weight: number, ...values: T[]])[];

/** One of many, each group as often as its weight says. */
function among<T>(groups: Weighted<T>): fc.Arbitrary<T> {
  return fc.oneof(...groups.map(([weight, ...values]) => ({ weight, arbitrary: fc.constantFrom(...values) })));
}

const port = among<number>([
  [6, ...LISTENING],
  [3, ...SILENT],
  [1, ...SIDECAR_PORTS],
]);

/** Short lists, so that an entry is hit about as often as missed; now and then an empty one. */
const someOf = <T>(entry: fc.Arbitrary<T>): fc.Arbitrary<readonly T[]> =>
  fc.uniqueArray(entry, { maxLength: 5, size: 'max' });
const ports = someOf(port);
const includedRanges = someOf(
  among<string>([
    [1, ...RANGES],
    [1, ...LOOPBACK_RANGES],
  ]),
); // those of loopback change two rules
const excludedRanges = someOf(
  among<string>([
    [6, ...RANGES],
    [1, ...LOOPBACK_RANGES],
  ]),
);

/** Present as often as the weights say: most rules are seen only where those before them do not decide. */
function annotation<T>(present: number, absent: number, value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: present, arbitrary: value }, { weight: absent, arbitrary: fc.constant(undefined) });
}

/** A list, or all. */
function orAll<T>(list: fc.Arbitrary<readonly T[]>): fc.Arbitrary<'*' | readonly T[]> {
  return fc.oneof({ weight: 3, arbitrary: list }, { weight: 1, arbitrary: fc.constant('*' as const) });
}

const rules: fc.Arbitrary<PodRules> = fc.record({
  includeInboundPorts: annotation(4, 1, orAll(ports)),
  excludeInboundPorts: annotation(1, 1, ports),
  includeOutboundPorts: annotation(3, 1, ports),
  excludeOutboundPorts: annotation(1, 2, ports),
  includeOutboundRanges: annotation(4, 1, orAll(includedRanges)),
  excludeOutboundRanges: annotation(1, 1, excludedRanges),
});

const connection: fc.Arbitrary<RuleCase> = fc.record({
  user: among<RuleCase['user']>([
    [5, 'application'],
    [3, 'sidecar'],
    [3, 'group'],
  ]),
  destination: among<string>([
    [6, OTHER],
    [5, ...FOREIGN],
    [2, STRANGER],
    [3, OWN],
    [2, '127.0.0.1'],
    [2, '127.9.9.9', PASSTHROUGH, '127.200.1.1'],
    [1, '0.0.0.0'],
  ]),
  port,
  source: among<RuleCase['source']>([
    [14, ''],
    [3, PASSTHROUGH],
    [5, OWN],
  ]),
  mapped: among([
    [2, false],
    [1, true],
  ]),
});

/** The same for the same seed. */
export function drawRounds(seed: number, rounds: number, casesEach: number): RuleRound[] {
  return fc.sample(
    fc.record({
      own: rules,
      other: rules,
      space: fc.constantFrom(undefined, undefined, '', ' ', '\t '),
      cases: fc.array(connection, { minLength: casesEach, maxLength: casesEach }),
    }),
    { seed, numRuns: rounds },
  );
}

/** As they stand on a pod. */
export function annotationsOf(pod: PodRules, space: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(pod)
      .filter(([, list]) => list !== undefined)
      .map(([name, list]: [string, '*' | readonly unknown[]]) => [
        `traffic.sidecar.istio.io/${name.replace('Ranges', 'IPRanges')}`,
        `${space}${list === '*' ? list : list.join(`${space},${space}`)}${space}`,
      ]),
  );
}

/** As `dial.py` takes it. */
export function destinationOf({ destination, port: at, source, mapped }: RuleCase): string {
  const [from, to] = mapped ? [source && `::ffff:${source}`, `[::ffff:${destination}]`] : [source, destination];
  return `${from && `${from}=`}${to}:${at}`;
}
