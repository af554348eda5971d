/** Rules that pods carry: what they decide, that a change is one change, and what is kept of them in the maps. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { detachAll, MeshAccelerator, PinnedMesh, type PodRules } from 'merbridge';
import { BpfHashMap, BpfLpmTrieMap, BpfMapHandle, u32, u8, type BpfMap } from 'merbridge/bpf';
import { mbRulePort, mbRuleRange, mbRules } from '../../../src/mesh/abi/structs';
import { Bed, SIDECAR_UID, dial, startListener, type Pod } from '../../bed';
import { Bpffs } from '../../fixtures/bpffs';

const CHANGES = 1000;
const PORTS = 500;
const RANGES = 1000;
const APPLICATION = {};
const SIDECAR = { uid: SIDECAR_UID };

let bed: Bed;
let own: Pod;
let other: Pod;
let mesh: MeshAccelerator;

/**
 * How many entries the three maps of rules have, of the only mesh that this process holds; counted in the maps
 * themselves.
 */
function fill(): readonly number[] {
  return [
    ruleMap('pod_rules', map => BpfHashMap.from(map, { key: u32, value: mbRules }).count()),
    ruleMap('pod_rule_ports', map => BpfHashMap.from(map, { key: mbRulePort, value: u8 }).count()),
    ruleMap('pod_rule_ranges', map => BpfLpmTrieMap.from(map, { key: mbRuleRange, value: u8 }).count()),
  ];
}

function ruleMap<T>(name: string, use: (map: BpfMap) => T): T {
  for (const fd of readdirSync('/proc/self/fdinfo')) {
    let info = '';
    try {
      info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
    } catch {
      // The descriptor of the directory itself.
    }
    const id = /^map_id:\s*(\d+)$/m.exec(info)?.[1];
    if (id === undefined) continue;
    using map = BpfMapHandle.fromId(Number(id));
    if (map.name === name) return use(map);
  }
  throw new Error(`this process holds no map ${name}`);
}

/** The mesh of all tests but those that have to close it: both pods, without rules. */
function started(): Promise<MeshAccelerator> {
  const pods = [own.address, other.address];
  return MeshAccelerator.start({ cgroup: bed.cgroupPath, acceleration: 'off', pods });
}

before(async () => {
  bed = Bed.create({ subnet: 41 });
  [own, other] = [bed.pod('own'), bed.pod('other')];
  mesh = await started();
  for (const pod of [own, other]) {
    await startListener(pod, [15001, 15006], SIDECAR_UID);
    await startListener(pod, [8080, 9000, 9001], 2000);
  }
});
afterEach(() => mesh.localPodIps.setMany([own.address, other.address]));
after(async () => {
  await mesh.close();
  bed.close();
  assert.deepEqual(bed.leftovers(), []);
});

/** The port that answers, or the error. */
async function reached(who: object, port = 8080, pod = own): Promise<number | string | undefined> {
  const [result] = await dial(pod, [`${(pod === own ? other : own).address}:${port}`], who);
  return result?.answer?.port ?? result?.error;
}

const decisions: readonly [
  name: string,
  rules: { own?: PodRules; other?: PodRules },
  application: number,
  sidecar: number,
][] = [
  ['none', {}, 15001, 15006],
  ['an excluded outbound port', { own: { excludeOutboundPorts: [8080] } }, 15006, 15006],
  [
    'an excluded outbound port, and that port excluded inbound there',
    { own: { excludeOutboundPorts: [8080] }, other: { excludeInboundPorts: [8080] } },
    8080,
    8080,
  ],
  ['an excluded range', { own: { excludeOutboundRanges: ['10.244.0.0/16'] } }, 15006, 15006],
  [
    'an excluded range beside an included port',
    { own: { includeOutboundRanges: [], includeOutboundPorts: [8080], excludeOutboundRanges: ['10.244.0.0/16'] } },
    15006,
    15006,
  ],
  ['an included range', { own: { includeOutboundRanges: ['10.0.0.0/8'] } }, 15001, 15006],
  ['another included range', { own: { includeOutboundRanges: ['192.168.0.0/16', 'fd00::/8'] } }, 15006, 15006],
  [
    'ranges of IPv6 alone',
    { own: { includeOutboundRanges: ['192.168.0.0/16', '::/0'], excludeOutboundRanges: ['::/0', '::ffff:0:0/80'] } },
    15006,
    15006,
  ],
  ['an excluded range of IPv6', { own: { excludeOutboundRanges: ['::/0', '::/1', 'fd00::/8'] } }, 15001, 15006],
  ['an included port', { own: { includeOutboundRanges: [], includeOutboundPorts: [8080] } }, 15001, 15006],
  ['a list of inbound ports with it', { other: { includeInboundPorts: [8080] } }, 15001, 15006],
  ['a list of inbound ports without it', { other: { includeInboundPorts: [80, 443] } }, 15001, 8080],
  ['no inbound port', { other: { includeInboundPorts: [] } }, 15001, 8080],
  [
    'a list of inbound ports turns exclusions off',
    { other: { includeInboundPorts: [8080], excludeInboundPorts: [8080] } },
    15001,
    15006,
  ],
];
for (const [name, rules, application, sidecar] of decisions) {
  test(`decides: ${name}`, async () => {
    mesh.localPodIps.set(own.address, { rules: rules.own }).set(other.address, { rules: rules.other });
    assert.deepEqual([await reached(APPLICATION), await reached(SIDECAR)], [application, sidecar]);
  });
}

test('each pod has its own', async () => {
  mesh.localPodIps
    .set(own.address, { rules: { excludeOutboundPorts: [8080] } })
    .set(other.address, { rules: { excludeInboundPorts: [8080] } });
  assert.deepEqual([await reached(APPLICATION), await reached(APPLICATION, 8080, other)], [8080, 15001]);
  mesh.localPodIps.set(own.address);
  assert.equal(await reached(APPLICATION), 15001, 'the next connection');
});

/** Ranges that none of the pods is in, and ports that nobody dials, so that the lists have their length. */
const farRanges = (count: number, net: number): string[] =>
  Array.from({ length: count }, (_, i) => `${net}.${i >> 8}.${i & 255}.0/24`);
const farPorts = (count: number, from: number): number[] => Array.from({ length: count }, (_, i) => from + i);

test(`${CHANGES} changes of ${RANGES} ranges and ${PORTS} ports under load: each connection is decided by the old or by the new rules`, async t => {
  // 9000 is redirected by a range or by a port, 9001 is not by a port or by a range: a decision that took the ports of
  // the one and the ranges of the other would do the opposite for one of them.
  const here = '10.244.41.0/24';
  const one: PodRules = {
    includeOutboundRanges: [here, ...farRanges(RANGES / 2 - 1, 20)],
    excludeOutboundRanges: farRanges(RANGES / 2, 21),
    includeOutboundPorts: farPorts(PORTS / 2, 20000),
    excludeOutboundPorts: [9001, ...farPorts(PORTS / 2 - 1, 30000)],
  };
  const another: PodRules = {
    includeOutboundRanges: farRanges(RANGES / 2, 22),
    excludeOutboundRanges: [...farRanges(RANGES / 2 - 1, 23), `${other.address}/32`].slice(0, -1),
    includeOutboundPorts: [9000, ...farPorts(PORTS / 2 - 1, 40000)],
    excludeOutboundPorts: farPorts(PORTS / 2, 50000),
  };
  // Before the first connection, which the rules of the test before would decide otherwise.
  mesh.localPodIps.set(own.address, { rules: one });
  const dialler = own.spawn(
    'python3',
    [`${__dirname}/../../bed/apps/redial.py`, `${other.address}:9000`, `${other.address}:9001`],
    { uid: 2000 },
  );
  let output = '';
  dialler.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await once(dialler.stdout!, 'data');
  const times: number[] = [];
  for (let change = 0; change < CHANGES; change++) {
    const start = performance.now();
    mesh.localPodIps.set(own.address, { rules: change % 2 === 0 ? another : one });
    times.push(performance.now() - start);
    if (change % 20 === 0) await new Promise(resolve => setImmediate(resolve));
  }
  assert.deepEqual(fill(), [1, PORTS, RANGES], 'only the last rules are there');
  const ended = once(dialler, 'close');
  dialler.stdin?.end();
  await ended;
  const seen = JSON.parse(output.replace('ready\n', '')) as Record<string, Record<string, number>>;
  times.sort((a, b) => a - b);
  const [first = {}, second = {}] = Object.values(seen);
  const total = [first, second].flatMap(Object.values).reduce((sum: number, n: number) => sum + n, 0);
  t.diagnostic(
    `a change took ${times[CHANGES / 2]?.toFixed(1)} ms (median), ${times.at(-1)?.toFixed(1)} ms at most; ${total} connections`,
  );
  assert.deepEqual([Object.keys(first), Object.keys(second)], [['15001'], ['15006']], output);
  assert.ok(total > 1000, `${total} connections`);
});

test('equal rules are kept once, and leave with the last pod that has them', () => {
  const pods = mesh.localPodIps;
  const rules = { excludeOutboundPorts: [2, 1], excludeOutboundRanges: ['10.1.2.3/8'] };
  pods.setMany([
    ['10.9.0.1', { rules }],
    ['10.9.0.2', { rules: { excludeOutboundRanges: ['10.0.0.0/8'], excludeOutboundPorts: [1, 2, 1] } }],
  ]);
  assert.deepEqual(fill(), [1, 2, 1]);
  pods.set('::ffff:10.9.0.1', { rules: { excludeOutboundPorts: [3] } });
  assert.deepEqual(fill(), [2, 3, 1]);
  pods.delete('10.9.0.1');
  assert.deepEqual(fill(), [1, 2, 1]);
  pods.set('10.9.0.2', {});
  assert.deepEqual(fill(), [0, 0, 0]);
  pods.set('10.9.0.2', { rules });
  pods.clear();
  assert.deepEqual(fill(), [0, 0, 0]);
});

test('they come back in one form, and rules that change nothing are none', () => {
  const pods = mesh.localPodIps;
  pods.set('10.9.0.1', {
    acceleration: 'full',
    rules: {
      includeInboundPorts: [443, 80, 80],
      excludeInboundPorts: [1],
      includeOutboundRanges: ['10.1.2.3/8', 'FD00::1/16'],
    },
  });
  const expected = {
    acceleration: 'full',
    rules: {
      includeInboundPorts: [80, 443],
      excludeInboundPorts: [],
      includeOutboundPorts: [],
      excludeOutboundPorts: [],
      includeOutboundRanges: ['10.0.0.0/8', 'fd00::/16'],
      excludeOutboundRanges: [],
    },
    cgroup: undefined,
  };
  assert.deepEqual(pods.get('10.9.0.1'), expected);
  assert.deepEqual(new Map(pods).get('10.9.0.1'), expected);
  pods.set('10.9.0.1', {
    rules: {
      includeInboundPorts: '*',
      includeOutboundRanges: '*',
      includeOutboundPorts: [80],
      excludeOutboundPorts: [],
    },
  });
  assert.deepEqual(pods.get('10.9.0.1'), { acceleration: 'inherit', rules: undefined, cgroup: undefined });
  assert.deepEqual(fill(), [0, 0, 0]);
  pods.delete('10.9.0.1');
});

test('wrong rules change nothing, and each wrong entry is named', () => {
  const pods = mesh.localPodIps;
  pods.set('10.9.0.1', { rules: { excludeOutboundPorts: [1] } });
  const before = pods.get('10.9.0.1');
  const wrong = { excludeOutboundPorts: [80, 65536], includeOutboundRanges: ['10.0.0.0/33', '10.0.0.1'] };
  for (const write of [
    () => pods.set('10.9.0.1', { rules: wrong }),
    () =>
      pods.setMany([
        ['10.9.0.3', {}],
        ['10.9.0.1', { rules: wrong }],
      ]),
  ])
    assert.throws(write, (error: { code: string; problems: { name: string; position: number }[] }) => {
      assert.equal(error.code, 'ERR_BPF_POD_RULES');
      assert.deepEqual(error.problems.map(({ name, position }) => `${name} ${position}`).sort(), [
        'excludeOutboundPorts 2',
        'includeOutboundRanges 1',
        'includeOutboundRanges 2',
      ]);
      return true;
    });
  assert.deepEqual(pods.get('10.9.0.1'), before);
  assert.equal(pods.has('10.9.0.3'), false);
  pods.delete('10.9.0.1');
});

test('rules that do not fit are taken back whole, and the pod keeps those that it has', async () => {
  using bpffs = new Bpffs();
  const pinDirectory = bpffs.directory();
  const cgroup = bed.pod('small').cgroupPath;
  await mesh.close();
  try {
    await using small = await MeshAccelerator.start({
      cgroup,
      pinDirectory,
      maxPods: 4,
      maxRulePorts: 8,
      maxRuleRanges: 4,
      maxPodRulePorts: 8,
      maxPodRuleRanges: 8,
    });
    const pods = small.localPodIps;
    pods.set('10.9.0.1', { rules: { excludeOutboundPorts: farPorts(5, 1) } });
    const before = pods.get('10.9.0.1');
    const tooMany = [
      { excludeOutboundPorts: farPorts(5, 100) },
      { excludeOutboundPorts: [7], excludeOutboundRanges: farRanges(5, 20) },
    ];
    for (const rules of tooMany) {
      assert.throws(() => pods.set('10.9.0.1', { rules }), {
        code: 'ERR_BPF_MAP_FULL',
        count: 0,
        hint: /larger maxRule(Ports|Ranges),/,
      } as object);
      assert.throws(() => pods.setMany(['10.9.0.4', ['10.9.0.1', { rules }]]), { code: 'ERR_BPF_MAP_FULL', count: 0 });
    }
    assert.deepEqual(pods.get('10.9.0.1'), before);
    assert.equal(pods.has('10.9.0.4'), false);
    assert.deepEqual(fill(), [1, 5, 0]);
    // A map of pods that is full: those that fitted have their rules, the others' are taken back.
    const rules = (port: number): { rules: PodRules } => ({ rules: { excludeInboundPorts: [port] } });
    assert.throws(
      () =>
        pods.setMany([
          ['10.9.0.2', rules(1)],
          ['10.9.0.3', {}],
          ['10.9.0.4', rules(2)],
          ['10.9.0.5', rules(3)],
        ]),
      { code: 'ERR_BPF_MAP_FULL', count: 3 },
    );
    assert.deepEqual(fill(), [3, 7, 0]);
    assert.throws(() => pods.set('10.9.0.6', rules(4)), { code: 'ERR_BPF_MAP_FULL' });
    assert.deepEqual(fill(), [3, 7, 0]);
    await small.close();
  } finally {
    await detachAll({ pinDirectory });
    mesh = await started();
  }
});

test('many pods with rules of their own leave at once, and another process reads them at once', async t => {
  using bpffs = new Bpffs();
  const pinDirectory = bpffs.directory();
  const cgroup = bed.pod('many').cgroupPath;
  await mesh.close();
  try {
    await using first = await MeshAccelerator.start({ cgroup, pinDirectory });
    const addresses = Array.from({ length: 400 }, (_, i) => `10.9.${i >> 8}.${i & 255}`);
    first.localPodIps.setMany(
      addresses.map((address, i) => [
        address,
        { rules: { excludeOutboundPorts: [i + 1], excludeOutboundRanges: [`20.${i >> 8}.${i & 255}.0/24`] } },
      ]),
    );
    const there = new Map(first.localPodIps);
    using pinned = PinnedMesh.open(pinDirectory);
    let began = performance.now();
    assert.deepEqual(new Map(pinned.localPodIps.entries()), there);
    t.diagnostic(`400 pods read by another process in ${(performance.now() - began).toFixed(0)} ms`);
    const told: string[][] = [];
    first.on('pods', (_, deleted) => told.push([...deleted]));
    began = performance.now();
    assert.equal(first.localPodIps.deleteMany([...addresses.slice(1), '::ffff:10.9.0.1', '10.9.9.9']), 399);
    t.diagnostic(`399 pods taken out in ${(performance.now() - began).toFixed(0)} ms`);
    assert.deepEqual(told, [addresses.slice(1)], 'told together, without those that were not there');
    assert.deepEqual(fill(), [1, 1, 1]);
    assert.deepEqual(new Map(pinned.localPodIps.entries()), new Map([['10.9.0.0', there.get('10.9.0.0')!]]));
    await first.close();
  } finally {
    await detachAll({ pinDirectory, force: true });
    mesh = await started();
  }
});

test('a later process finds them in the maps, and takes out what no pod has', async () => {
  using bpffs = new Bpffs();
  const pinDirectory = bpffs.directory();
  const cgroup = bed.pod('later').cgroupPath;
  await mesh.close();
  try {
    const rules = { excludeOutboundPorts: [1, 2], includeOutboundRanges: ['10.0.0.0/8', '127.0.0.0/8'] };
    await using first = await MeshAccelerator.start({ cgroup, pinDirectory });
    first.localPodIps.setMany([
      ['10.9.0.1', { rules }],
      ['10.9.0.2', { rules }],
      ['10.9.0.3', { rules: { excludeInboundPorts: [9] } }],
    ]);
    const before = new Map(first.localPodIps);
    // As if it had been killed between the rules and the pod.
    ruleMap('pod_rule_ports', map =>
      BpfHashMap.from(map, { key: mbRulePort, value: u8 }).setMany(
        [5, 6].map(port => [{ set: 77, port, list: 0, protocol: 6 }, 1]),
      ),
    );
    ruleMap('pod_rule_ranges', map =>
      BpfLpmTrieMap.from(map, { key: mbRuleRange, value: u8 }).set(
        { prefix: 64 + 104, set: 77, list: 3, address: '1.0.0.0' },
        1,
      ),
    );
    ruleMap('pod_rules', map =>
      BpfHashMap.from(map, { key: u32, value: mbRules }).set(77, {
        digest: [0n, 0n],
        flags: 0,
        reserved: Array<number>(11).fill(0),
      }),
    );
    assert.deepEqual(fill(), [3, 5, 3]);
    await first.close();
    using pinned = PinnedMesh.open(pinDirectory);
    assert.deepEqual(new Map(pinned.localPodIps.entries()), before);
    await using second = await MeshAccelerator.start({ cgroup, pinDirectory });
    assert.deepEqual(new Map(second.localPodIps), before);
    assert.deepEqual(fill(), [2, 3, 2]);
    second.localPodIps.set('10.9.0.4', { rules });
    assert.deepEqual(fill(), [2, 3, 2], 'equal rules are found');
    second.localPodIps.clear();
    assert.deepEqual(fill(), [0, 0, 0]);
    await second.close();
  } finally {
    await detachAll({ pinDirectory });
    mesh = await started();
  }
});
