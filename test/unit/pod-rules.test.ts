import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { PodRulesError } from '../../src/errors';
import { digestOf } from '../../src/mesh/maps/rule-entries';
import { istioPodRules, ruleSetOf, rulesOf, type PodRules } from '../../src/policy';

const PREFIX = 'traffic.sidecar.istio.io/';

const port = fc.integer({ min: 0, max: 65535 });
const range = fc
  .oneof(
    fc.tuple(
      fc.oneof({ weight: 3, arbitrary: fc.ipV4() }, { weight: 1, arbitrary: fc.constant('127.1.2.3') }),
      fc.integer({ min: 0, max: 32 }),
    ),
    fc.tuple(
      fc.oneof(
        { weight: 5, arbitrary: fc.ipV6().filter(address => !address.includes('.')) },
        { weight: 1, arbitrary: fc.constant('::1') },
      ),
      fc.integer({ min: 0, max: 128 }),
    ),
  )
  .map(([address, bits]) => `${address}/${bits}`);
const all = fc.constant('*' as const);
const rules: fc.Arbitrary<PodRules> = fc.record(
  {
    includeInboundPorts: fc.oneof(all, fc.array(port)),
    excludeInboundPorts: fc.array(port),
    includeOutboundPorts: fc.array(port),
    excludeOutboundPorts: fc.array(port),
    includeOutboundRanges: fc.oneof(all, fc.array(range)),
    excludeOutboundRanges: fc.array(range),
  },
  { requiredKeys: [] },
);

describe('the one form of rules', () => {
  it('is the same for what it gives back', () => {
    fc.assert(
      fc.property(rules, value => {
        const set = ruleSetOf(value);
        if (set !== undefined) assert.deepEqual(ruleSetOf(rulesOf(set)), set);
      }),
    );
  });

  it('does not depend on order or repetition', () => {
    const shuffled = <T>(list: readonly T[] | '*' | undefined): readonly T[] | '*' | undefined =>
      Array.isArray(list) ? [...list, ...list].reverse() : list;
    fc.assert(
      fc.property(rules, value => {
        const other = Object.fromEntries(
          Object.entries(value).map(([name, list]) => [name, shuffled(list as string[])]),
        ) as PodRules;
        assert.deepEqual(ruleSetOf(other), ruleSetOf(value));
      }),
    );
  });

  it('has a digest that differs where rules do', () => {
    const digest = (value: PodRules): string => digestOf(ruleSetOf(value)!).join();
    const different: PodRules[] = [
      { excludeInboundPorts: [1] },
      { includeInboundPorts: [1] },
      { excludeOutboundPorts: [1] },
      { includeInboundPorts: [] },
      { includeOutboundRanges: [] },
      { includeOutboundRanges: [], includeOutboundPorts: [1] },
      { includeOutboundRanges: ['10.0.0.0/8'] },
      { excludeOutboundRanges: ['10.0.0.0/8'] },
      { excludeOutboundRanges: ['10.0.0.0/9'] },
      { excludeOutboundRanges: ['::/8'] },
      { includeOutboundRanges: ['0.0.0.0/1'] },
      { includeOutboundRanges: ['127.0.0.1/1'] },
    ];
    assert.equal(new Set(different.map(digest)).size, different.length);
  });

  it('masks the bits behind a prefix', () => {
    const { excludeOutboundRanges } = rulesOf(
      ruleSetOf({ excludeOutboundRanges: ['10.255.255.255/9', '::ffff:10.1.2.3/104', 'fdff::1/9'] })!,
    );
    assert.deepEqual(excludeOutboundRanges, ['10.0.0.0/8', '10.128.0.0/9', 'fd80::/9']);
  });

  it('remembers a range that begins with a loopback address, of either family', () => {
    const isLoopback = (range: string): boolean =>
      ruleSetOf({ includeOutboundRanges: ['10.0.0.0/8', range] })!.loopback;
    for (const range of ['127.0.0.0/8', '127.1.2.3/32', '127.0.0.1/1', '::1/128', '0:0::1/64'])
      assert.equal(isLoopback(range), true, range);
    for (const range of ['0.0.0.0/0', '126.0.0.0/7', '::/0', '::2/128', '1::1/128'])
      assert.equal(isLoopback(range), false, range);
  });

  it('is none for rules that say nothing', () => {
    for (const value of [
      {},
      { includeInboundPorts: '*' },
      { includeOutboundRanges: '*', includeOutboundPorts: [80] },
      { excludeInboundPorts: [] },
    ] as const)
      assert.equal(ruleSetOf(value), undefined);
  });
});

describe('rules that are wrong', () => {
  const wrong: ReadonlyArray<[object, string, number]> = [
    [{ includeInboundPorts: [80, -1] }, 'includeInboundPorts', 2],
    [{ excludeInboundPorts: [1.5] }, 'excludeInboundPorts', 1],
    [{ includeOutboundPorts: ['80'] }, 'includeOutboundPorts', 1],
    [{ excludeOutboundPorts: '*' }, 'excludeOutboundPorts', 0],
    [{ includeInboundPorts: null }, 'includeInboundPorts', 0],
    [{ includeOutboundRanges: null }, 'includeOutboundRanges', 0],
    [{ excludeOutboundRanges: '*' }, 'excludeOutboundRanges', 0],
    [{ includeOutboundRanges: ['*'] }, 'includeOutboundRanges', 1],
    [{ includeOutboundRanges: ['10.0.0.1'] }, 'includeOutboundRanges', 1],
    [{ includeOutboundRanges: ['10.0.0.0/8', '10.0.0.0/33'] }, 'includeOutboundRanges', 2],
    [{ excludeOutboundRanges: ['fd00::/129'] }, 'excludeOutboundRanges', 1],
    [{ excludeOutboundRanges: ['10.0.0/8'] }, 'excludeOutboundRanges', 1],
    [{ excludeOutboundRanges: ['10.0.0.0/-1'] }, 'excludeOutboundRanges', 1],
    [{ excludeOutboundRanges: [null] }, 'excludeOutboundRanges', 1],
  ];
  for (const [value, name, position] of wrong) {
    it(`are named by place: ${JSON.stringify(value)}`, () => {
      assert.throws(
        () => ruleSetOf(value),
        (error: unknown) =>
          error instanceof PodRulesError &&
          error.problems.length === 1 &&
          error.problems[0]?.name === name &&
          error.problems[0].position === position,
      );
    });
  }

  it('are no object, or have a property that there is not', () => {
    assert.throws(() => ruleSetOf('*' as PodRules), TypeError);
    assert.throws(() => ruleSetOf({ excludePorts: [1] } as PodRules), /unknown property 'excludePorts'/);
  });
});

describe("Istio's annotations", () => {
  it('are lists with commas, with spaces or without', () => {
    assert.deepEqual(
      istioPodRules({
        [`${PREFIX}includeInboundPorts`]: ' 80, 443 ',
        [`${PREFIX}excludeOutboundPorts`]: '3306',
        [`${PREFIX}includeOutboundIPRanges`]: '10.0.0.0/8 ,\tfd00::/8',
        [`${PREFIX}excludeOutboundIPRanges`]: '',
        [`${PREFIX}excludeInterfaces`]: 'eth1',
        unknown: 'x',
      }),
      {
        includeInboundPorts: [80, 443],
        excludeOutboundPorts: [3306],
        includeOutboundRanges: ['10.0.0.0/8', 'fd00::/8'],
        excludeOutboundRanges: [],
      },
    );
  });

  it("say everything with '*', and nothing with an empty text", () => {
    assert.deepEqual(
      istioPodRules({ [`${PREFIX}includeInboundPorts`]: '*', [`${PREFIX}includeOutboundIPRanges`]: ' * ' }),
      { includeInboundPorts: '*', includeOutboundRanges: '*' },
    );
    assert.deepEqual(
      istioPodRules({ [`${PREFIX}includeInboundPorts`]: ' ', [`${PREFIX}includeOutboundIPRanges`]: '' }),
      { includeInboundPorts: [], includeOutboundRanges: [] },
    );
    assert.deepEqual(istioPodRules({}), {});
  });

  it('take the place of defaults one by one', () => {
    assert.deepEqual(
      istioPodRules(
        { [`${PREFIX}excludeInboundPorts`]: '1' },
        { excludeInboundPorts: [2], excludeOutboundPorts: [15020] },
      ),
      { excludeInboundPorts: [1], excludeOutboundPorts: [15020] },
    );
  });

  it('exclude the port of health checks', () => {
    assert.deepEqual(
      istioPodRules({ [`${PREFIX}excludeInboundPorts`]: '1', 'status.sidecar.istio.io/port': '15099' }),
      { excludeInboundPorts: [1, 15099] },
    );
  });

  it('are refused with every entry that is wrong, by annotation and position', () => {
    const annotations = {
      [`${PREFIX}excludeOutboundPorts`]: '80,,8000-9000,99999',
      [`${PREFIX}includeOutboundIPRanges`]: '*,10.0.0.0/8',
      [`${PREFIX}excludeOutboundIPRanges`]: '*',
      [`${PREFIX}excludeInboundPorts`]: '*',
      'status.sidecar.istio.io/port': 'http',
    };
    assert.throws(
      () => istioPodRules(annotations),
      (error: unknown) => {
        assert.ok(error instanceof PodRulesError);
        assert.deepEqual(
          error.problems
            .map(({ name, position, entry }) => `${name.replace(PREFIX, '')} ${position} ${String(entry)}`)
            .sort(),
          [
            'excludeInboundPorts 1 *',
            'excludeOutboundIPRanges 1 *',
            'excludeOutboundPorts 2 ',
            'excludeOutboundPorts 3 8000-9000',
            'excludeOutboundPorts 4 99999',
            'includeOutboundIPRanges 1 *',
            'status.sidecar.istio.io/port 1 http',
          ],
        );
        assert.match(error.message, /excludeOutboundPorts, entry 3: "8000-9000" is not a port/);
        return true;
      },
    );
  });
});
