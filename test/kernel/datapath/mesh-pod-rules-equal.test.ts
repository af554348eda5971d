/**
 * Pod rules against Istio's own in real iptables: rules and connections are drawn at random, the same ones go through
 * these rules, the library, and both together, and the outcomes must be the same. `MERBRIDGE_SEED` repeats a run.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import {
  DECIDING_RULES,
  OTHER,
  PASSTHROUGH,
  RuleNode,
  SIDECAR_PORTS,
  drawRounds,
  isLocal,
  type DecidingRule,
  type Outcome,
  type RuleCase,
  type RuleRound,
  type RuledBy,
} from '../../bed';

const ROUNDS = 60;
const CASES_EACH = 16;

/** A way in which the library decides otherwise. The reason is its name. */
interface Difference {
  readonly reason: string;
  /** The connections that it concerns, */
  readonly concerns: (connection: RuleCase) => boolean;
  /** one of them, */
  readonly example: RuleCase;
  /** and what the library makes of them. */
  readonly ours: (outcome: Outcome) => boolean;
}

const refused = ({ error }: Outcome): boolean => error === 'Operation not permitted';

/** All that may differ. */
const differences: readonly Difference[] = [
  {
    reason:
      'a sidecar that delivers to its own inbound port would hear that it was dialled itself, and dial itself without end: refused',
    concerns: ({ user, source, destination, port }) =>
      user !== 'application' && source === PASSTHROUGH && port === 15006 && isLocal(destination),
    example: { user: 'sidecar', destination: '127.0.0.1', port: 15006, source: PASSTHROUGH, mapped: false },
    ours: refused,
  },
  {
    reason:
      'a sidecar that dials its outbound port at an address that only redirection gives out would do the same: refused',
    concerns: ({ user, destination, port }) =>
      user !== 'application' && port === 15001 && /^127\.(12[89]|1[3-9]\d|2\d\d)\./.test(destination),
    example: { user: 'group', destination: '127.200.1.1', port: 15001, source: '', mapped: true },
    ours: refused,
  },
];

let reference: RuleNode;
const accelerated = new Map<RuledBy, RuleNode>();

before(async () => {
  reference = await RuleNode.start('iptables');
  for (const by of ['library', 'both'] as const) accelerated.set(by, await RuleNode.start(by));
});
after(async () => {
  const left: string[] = [];
  for (const node of [...accelerated.values(), reference]) left.push(...((await node?.close()) ?? []));
  assert.deepEqual(left, []);
});

/** A round under the rules alone, and what became of it in the other ways. */
async function play(
  round: RuleRound,
): Promise<{ expected: Outcome[]; actual: readonly (readonly [RuledBy, Outcome[]])[] }> {
  const [expected, ...actual] = await Promise.all([reference, ...accelerated.values()].map(node => node.play(round)));
  return { expected: expected!, actual: [...accelerated.keys()].map((by, index) => [by, actual[index]!] as const) };
}

/** What became of all cases. */
class Tally {
  cases = 0;
  same = 0;
  /** By where they arrived under iptables. */
  readonly arrived = new Map<string, number>();
  /** By rule of Istio's: how many connections it decided. */
  readonly decided = new Map(DECIDING_RULES.map(rule => [rule, 0]));
  /** By difference: connections that it concerns, and those that differ. */
  readonly different = new Map(differences.map(each => [each, { concerned: 0, differ: 0 }]));
  /** Wrong decisions, to be read. */
  readonly wrong: string[] = [];

  addHits(hits: readonly [DecidingRule, number][]): void {
    for (const [rule, count] of hits) this.decided.set(rule, (this.decided.get(rule) ?? 0) + count);
  }

  add(name: string, by: RuledBy, round: RuleRound, connection: RuleCase, expected: Outcome, actual: Outcome): void {
    const place = placeOf(connection, expected);
    this.arrived.set(place, (this.arrived.get(place) ?? 0) + 1);
    this.cases++;
    const same = isDeepStrictEqual(actual, expected);
    if (same) this.same++;
    let excused = false;
    for (const [{ concerns, ours }, count] of this.different) {
      if (!concerns(connection)) continue;
      count.concerned++;
      if (same || !ours(actual)) continue;
      count.differ++;
      excused = true;
    }
    if (same || excused) return;
    const show = (what: object): string => JSON.stringify(what);
    this.wrong.push(
      [
        `case ${name}: ${show(connection)}${round.space === undefined ? '' : ', rules as annotations'}`,
        `own ${show(round.own)}`,
        `other ${show(round.other)}`,
        `iptables ${show(expected)}`,
        `${by.padEnd(8)} ${show(actual)}`,
      ].join('\n    '),
    );
  }
}

function placeOf({ port }: RuleCase, { reached, error = 'nowhere' }: Outcome): string {
  if (reached === undefined) return error;
  const redirected = SIDECAR_PORTS.some(each => each !== port && reached.endsWith(`:${each}`));
  return redirected ? reached : 'where it was dialled';
}

const listed = (counts: ReadonlyMap<string, number>): string =>
  [...counts].map(([name, count]) => `${name} ${count}`).join(', ');

test('what may differ does', async () => {
  const round = { own: {}, other: {}, cases: differences.map(({ example }) => example) };
  const { expected, actual } = await play(round);
  for (const [index, { reason, concerns, example, ours }] of differences.entries()) {
    assert.ok(concerns(example) && !ours(expected[index]!), reason);
    for (const [by, outcomes] of actual) assert.ok(ours(outcomes[index]!), `${by}: ${reason}`);
  }
});

test("another pod's ports with the numbers of a sidecar's are ports like others", async () => {
  const cases = [15001, 15002].map((port): RuleCase => ({
    user: 'application',
    destination: OTHER,
    port,
    source: '',
    mapped: false,
  }));
  const { expected, actual } = await play({ own: { includeOutboundRanges: ['fd00::/8'] }, other: {}, cases });
  assert.deepEqual(
    expected.map(({ reached, original }) => [reached, original]),
    cases.map(({ port }) => ['other:15006', `${OTHER}:${port}`]),
  );
  for (const [by, outcomes] of actual) assert.deepEqual(outcomes, expected, by);
});

test(`${ROUNDS * CASES_EACH} connections under rules drawn at random: decided as by iptables, by the library alone and beside iptables`, async t => {
  const seed = Number(process.env['MERBRIDGE_SEED'] ?? randomInt(2 ** 31));
  t.diagnostic(`MERBRIDGE_SEED=${seed}`);
  const tally = new Tally();
  for (const [index, round] of drawRounds(seed, ROUNDS, CASES_EACH).entries()) {
    const { expected, actual } = await play(round);
    tally.addHits(reference.hits());
    for (const [by, outcomes] of actual)
      for (const [at, connection] of round.cases.entries())
        tally.add(`${index}.${at}`, by, round, connection, expected[at]!, outcomes[at]!);
  }
  const arrived = listed(tally.arrived);
  t.diagnostic(`under iptables they arrive at: ${arrived}`);
  t.diagnostic(`what Istio's rules decided: ${listed(tally.decided)}`);
  const differ = [...tally.different.values()].reduce((sum, each) => sum + each.differ, 0);
  t.diagnostic(
    `seed ${seed}: ${tally.cases} cases, ${tally.same} the same, ${differ} different for a reason, ${tally.wrong.length} wrong`,
  );
  for (const [{ reason }, { concerned, differ: count }] of tally.different)
    t.diagnostic(concerned === 0 ? `not drawn: ${reason}` : `${count} of ${concerned} differ: ${reason}`);
  assert.equal(
    tally.wrong.length,
    0,
    `seed ${seed}, ${tally.wrong.length} wrong:\n  ${tally.wrong.slice(0, 20).join('\n  ')}`,
  );
  for (const place of ['own:15001', 'own:15006', 'other:15006', 'where it was dialled', 'Connection refused'])
    assert.ok(tally.arrived.has(place), `seed ${seed}: none arrives at ${place}: ${arrived}`);
  for (const [rule, count] of tally.decided)
    assert.ok(count > 0, `seed ${seed}: nothing was decided by the rule for ${rule}`);
});
