import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClosedError, InvalidAddressError, MapFullError } from '../../src/errors';
import type { PodOptions } from '../../src/mesh';
import {
  PodController,
  PodRefusedError,
  PodsLeftOutError,
  PodSourceBase,
  StaticPods,
  type AppliedChange,
  type PodControllerOptions,
  type PodTarget,
  type SourcePod,
} from '../../src/kubernetes';
import { TYPESCRIPT, execFileSync } from '../bed/children';
import { PlainTable } from '../kube/plain-table';
import { until } from '../kube/until';

/** A source that a test drives. */
class Driven extends PodSourceBase {
  protected begin(): void {}
  protected end(): void {}
  sync(pods: Record<string, SourcePod> = {}): void {
    this.replace(new Map(Object.entries(pods)));
  }
  add(key: string, pod: SourcePod): void {
    this.put(key, pod);
  }
  drop(key: string): void {
    this.remove(key);
  }
  fail(error: Error): void {
    this.report(error);
  }
}

const pod = (name: string, address: string, rest: Partial<SourcePod> = {}): SourcePod => ({
  name,
  addresses: [address],
  options: {},
  ...rest,
});

/** A controller over a plain table, with what it reports. */
function controllerOf(
  source: PodSourceBase,
  table = new PlainTable(),
  options: Partial<PodControllerOptions<PodTarget>> = {},
): {
  controller: PodController;
  table: PlainTable;
  errors: Error[];
  applied: AppliedChange[];
} {
  const controller = new PodController({
    source,
    attach: () => ({ localPodIps: table }),
    resyncSeconds: 0,
    ...options,
  });
  const errors: Error[] = [];
  const applied: AppliedChange[] = [];
  controller.on('error', error => errors.push(error)).on('applied', change => applied.push(change));
  return { controller, table, errors, applied };
}

test('attaches only when the source knows all pods, with them', async () => {
  const source = new Driven();
  const table = new PlainTable();
  let given: readonly (readonly [string, PodOptions])[] | undefined;
  const { controller } = controllerOf(source, table, {
    attach: pods => {
      given = pods;
      table.setMany(pods ?? []);
      return { localPodIps: table };
    },
  });
  const started = controller.start();
  source.add('a', pod('a', '10.0.0.1'));
  await new Promise(resolve => setTimeout(resolve, 30));
  assert.equal(given, undefined);
  source.sync({ a: pod('a', '10.0.0.1'), b: pod('b', '10.0.0.2', { options: { acceleration: 'full' } }) });
  await started;
  assert.deepEqual(given, [
    ['10.0.0.1', {}],
    ['10.0.0.2', { acceleration: 'full' }],
  ]);
  assert.equal(table.writes, 1, 'what attach wrote is not written again');
  assert.equal(controller.pods, 2);
  await controller.close();
});

test('what an earlier process left is put right at the start', async () => {
  const table = new PlainTable();
  table.setMany([
    ['10.0.0.1', {}],
    ['10.0.0.2', { acceleration: 'full' }],
    ['10.0.0.9', {}],
  ]);
  const { controller, applied } = controllerOf(new StaticPods(['10.0.0.1', '10.0.0.2', '10.0.0.3']), table);
  await controller.start();
  assert.deepEqual(
    [...table.pods].map(([address, { acceleration }]) => [address, acceleration]),
    [
      ['10.0.0.1', 'inherit'],
      ['10.0.0.2', 'inherit'],
      ['10.0.0.3', 'inherit'],
    ],
  );
  assert.deepEqual(
    applied.map(({ added, changed, deleted }) => ({ added, changed, deleted })),
    [{ added: ['10.0.0.3'], changed: ['10.0.0.2'], deleted: ['10.0.0.9'] }],
  );
  await controller.close();
  assert.equal(table.pods.size, 3, 'close leaves the pods');
});

test('10,000 changes end in the last state, in few rounds', async () => {
  const source = new Driven();
  const { controller, table, applied } = controllerOf(source);
  source.sync();
  await controller.start();
  for (let i = 0; i < 10_000; i++) {
    const key = `pod-${i % 200}`;
    if (i % 3 === 0) source.drop(key);
    else
      source.add(
        key,
        pod(key, `10.0.${i % 7}.${i % 250}`, { options: { acceleration: i % 2 === 0 ? 'full' : 'off' }, rank: i }),
      );
    if (i % 1000 === 0) await new Promise(resolve => setImmediate(resolve));
  }
  assert.ok(controller.lag > 0);
  await until('applied', () => controller.lag === 0);
  const expected = new Map<string, { rank: number; acceleration: string }>();
  for (const { addresses, options, rank = 0 } of source.pods.values()) {
    const other = expected.get(addresses[0]!);
    if (other === undefined || other.rank < rank)
      expected.set(addresses[0]!, { rank, acceleration: options.acceleration! });
  }
  const sorted = (entries: [string, string][]): [string, string][] => entries.sort(([a], [b]) => (a < b ? -1 : 1));
  assert.deepEqual(
    sorted([...table.pods].map(([address, { acceleration }]) => [address, acceleration])),
    sorted([...expected].map(([address, { acceleration }]) => [address, acceleration])),
  );
  assert.ok(applied.length < 20, `${applied.length} rounds`);
  await controller.close();
});

test('an address that moves follows, in both orders of the events', async () => {
  const source = new Driven();
  const { controller, table, applied } = controllerOf(source);
  source.sync({ old: pod('old', '10.0.0.1', { rank: 1 }) });
  await controller.start();
  source.add('new', pod('new', '10.0.0.1', { rank: 2, options: { acceleration: 'full' } }));
  await until('the new one has it', () => table.get('10.0.0.1')?.acceleration === 'full');
  assert.deepEqual(applied.at(-1)?.changed, ['10.0.0.1']);
  source.drop('old');
  await until('settled', () => controller.lag === 0);
  assert.equal(table.get('10.0.0.1')?.acceleration, 'full');
  source.add('third', pod('third', '10.0.0.1', { rank: 0 })); // older: it comes late, and gets nothing
  await until('settled', () => controller.lag === 0);
  assert.equal(table.get('10.0.0.1')?.acceleration, 'full');
  source.drop('new');
  await until('the one that is left has it', () => table.get('10.0.0.1')?.acceleration === 'inherit');
  await controller.close();
});

test('a resync repairs what somebody else changed, and reads without writing otherwise', async () => {
  const { controller, table, applied } = controllerOf(new StaticPods(['10.0.0.1', '10.0.0.2']), new PlainTable(), {
    resyncSeconds: 0.05,
  });
  await controller.start();
  const { writes } = table;
  const { reads } = table;
  await until('some resyncs', () => table.reads > reads + 3);
  assert.equal(table.writes, writes);
  table.pods.delete('10.0.0.1');
  table.set('10.0.0.2', { acceleration: 'off' });
  table.set('10.0.0.66', {});
  await until(
    'repaired',
    () =>
      table.pods.size === 2 && table.get('10.0.0.1') !== undefined && table.get('10.0.0.2')?.acceleration === 'inherit',
  );
  const last = applied.at(-1)!;
  assert.ok(last.resync);
  await controller.close();
});

test('a full table: reported once, the others are applied, and room is taken when there is some', async () => {
  const source = new StaticPods(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']);
  const table = new PlainTable(2);
  const { controller, errors } = controllerOf(source, table);
  await controller.start();
  assert.deepEqual([...table.pods.keys()], ['10.0.0.1', '10.0.0.2']);
  assert.ok(errors[0] instanceof PodsLeftOutError);
  assert.deepEqual(errors[0].addresses, ['10.0.0.3', '10.0.0.4']);
  assert.ok(errors[0].cause instanceof MapFullError);
  assert.ok(controller.lag > 0);
  table.maxEntries = 3;
  await until('the next attempt', () => table.pods.size === 3);
  assert.ok(controller.lag > 0);
  source.set(['10.0.0.4', '10.0.0.2']);
  await until('all fit', () => controller.lag === 0);
  assert.deepEqual([...table.pods.keys()].sort(), ['10.0.0.2', '10.0.0.4']);
  assert.equal(errors.length, 2, 'once for each set of pods that were left out');
  await controller.close();
});

test('attach that refuses because of pods is called again, and not with an empty list: those that are enrolled stay so', async () => {
  for (const refusal of [new MapFullError('local_pod_ips', 1, 1), new InvalidAddressError('x', 'y')]) {
    const table = new PlainTable();
    const calls: (number | undefined)[] = [];
    const { controller } = controllerOf(new StaticPods(['10.0.0.1', '10.0.0.2']), table, {
      attach: pods => {
        calls.push(pods?.length);
        if (pods !== undefined) throw refusal;
        return { localPodIps: table };
      },
    });
    await controller.start();
    assert.deepEqual(calls, [2, undefined]);
    assert.equal(table.pods.size, 2);
    await controller.close();
  }
});

test('wrong annotations: the last good rules stay, or the pod is left out; others are not concerned', async () => {
  const source = new Driven();
  const name = 'traffic.sidecar.istio.io/excludeInboundPorts';
  const { controller, table, errors } = controllerOf(source);
  source.sync({
    a: pod('shop/a', '10.0.0.1', { annotations: { [name]: '80,443' } }),
    b: pod('shop/b', '10.0.0.2', { annotations: { [name]: '80,http' } }),
  });
  await controller.start();
  assert.deepEqual(
    [...table.pods],
    [['10.0.0.1', { acceleration: 'inherit', rules: { excludeInboundPorts: [80, 443] }, cgroup: undefined }]],
  );
  const [left] = errors as [PodRefusedError];
  assert.ok(left instanceof PodRefusedError);
  assert.equal(left.pod, 'shop/b');
  assert.deepEqual(left.problems, [{ name, position: 2, entry: 'http', reason: 'is not a port: 0 to 65535' }]);
  assert.match(
    left.message,
    /pod shop\/b: traffic.*\/excludeInboundPorts, entry 2: "http" is not a port: 0 to 65535 \(the pod is not enrolled until that is fixed\)/,
  );

  source.add('a', pod('shop/a', '10.0.0.1', { annotations: { [name]: '80,x' }, options: { acceleration: 'off' } }));
  await until('the scope', () => table.get('10.0.0.1')?.acceleration === 'off');
  assert.deepEqual(table.get('10.0.0.1')?.rules, { excludeInboundPorts: [80, 443] });
  assert.match(errors[1]!.message, /its previous rules stay in force/);
  source.add('a', pod('shop/a', '10.0.0.1', { annotations: { [name]: '80,x' }, options: { acceleration: 'full' } }));
  await until('the scope', () => table.get('10.0.0.1')?.acceleration === 'full');
  assert.equal(controller.errors, 2, 'the same fault is reported once');
  source.add('b', pod('shop/b', '10.0.0.2', { annotations: { [name]: '1' } }));
  await until('mended', () => table.get('10.0.0.2') !== undefined);
  // The same address as another pod: nothing of the old one stays in force.
  source.drop('a');
  source.add('a2', pod('shop/a', '10.0.0.1', { annotations: { [name]: 'y' } }));
  await until('gone', () => table.get('10.0.0.1') === undefined);
  await controller.close();
});

test('addresses that no pod has are reported, and the others of the pod are enrolled', async () => {
  const source = new Driven();
  const { controller, table, errors } = controllerOf(source);
  source.sync({
    a: { name: 'shop/a', addresses: ['127.0.0.1', '10.0.0.1', 'fd00::1', '::ffff:10.0.0.2'], options: {} },
  });
  await controller.start();
  assert.deepEqual([...table.pods.keys()], ['10.0.0.1', '10.0.0.2']);
  assert.equal((errors[0] as PodRefusedError).problems.length, 2);
  await controller.close();
});

test('what the table refuses for good is reported and not tried without end', async () => {
  const table = new PlainTable();
  table.refuses.set('10.0.0.2', new TypeError('pod options: unknown option'));
  const { controller, errors } = controllerOf(new StaticPods(['10.0.0.1', '10.0.0.2', '10.0.0.3']), table);
  await controller.start();
  assert.deepEqual([...table.pods.keys()], ['10.0.0.1', '10.0.0.3']);
  assert.ok(errors[0] instanceof PodRefusedError);
  assert.equal(controller.lag, 0);
  await controller.close();
});

test('what a table refuses for a reason of its own is tried again, and synced waits for it', async () => {
  const table = new PlainTable();
  table.refuses.set('10.0.0.1', new Error('not now'));
  const source = new StaticPods([['10.0.0.1', {}]]);
  const { controller, errors } = controllerOf(source, table);
  let synced = 0;
  controller.on('synced', () => synced++);
  await controller.start();
  assert.equal(synced, 0);
  assert.equal((errors[0] as PodRefusedError).hint, 'it is not enrolled, until a retry succeeds');
  table.refuses.clear();
  await until('the next attempt', () => table.pods.size === 1);
  assert.equal(synced, 1);
  table.refuses.set('10.0.0.1', new TypeError('no such option'));
  source.set([['10.0.0.1', { acceleration: 'full' }]]);
  await until('refused', () => errors.length === 2);
  assert.equal((errors[1] as PodRefusedError).hint, 'it keeps its previous options, until the pod changes');
  await controller.close();
});

test('listeners that throw, and a source that cannot look again, stop nothing', () => {
  const script = `
    const { PodController, StaticPods } = require('../../src/kubernetes');
    const { PlainTable } = require('../kube/plain-table');
    const uncaught = [];
    process.on('uncaughtException', error => uncaught.push(error.message));
    const source = new StaticPods(['10.0.0.1']);
    source.refresh = () => { throw new Error('refresh'); };
    const table = new PlainTable();
    const controller = new PodController({ source, attach: () => ({ localPodIps: table }), resyncSeconds: 0.05 });
    for (const event of ['applied', 'synced', 'error']) controller.on(event, () => { throw new Error(event); });
    source.on('change', () => { throw new Error('change'); });
    void (async () => {
      await controller.start();
      source.set(['10.0.0.1', '10.0.0.2']);
      await new Promise(done => setTimeout(done, 200));
      table.pods.delete('10.0.0.1');
      await new Promise(done => setTimeout(done, 300));
      console.log(JSON.stringify({ pods: [...table.pods.keys()].sort(), uncaught: [...new Set(uncaught)].sort() }));
      await controller.close();
    })();
  `;
  const output = execFileSync(process.execPath, [...TYPESCRIPT, '-e', script], {
    cwd: __dirname,
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.deepEqual(JSON.parse(output), {
    pods: ['10.0.0.1', '10.0.0.2'],
    uncaught: ['applied', 'change', 'error', 'synced'],
  });
});

test('a single address is no list', () => {
  assert.throws(() => new StaticPods('10.0.0.7'), {
    name: 'TypeError',
    message: "StaticPods: a list of pods is needed, such as ['10.0.0.7']",
  });
});

test('an address in another form is the same address: the last one counts, as for equal ones', async () => {
  const source = new StaticPods([
    ['10.0.0.7', { acceleration: 'off' }],
    ['::FFFF:10.0.0.7', { acceleration: 'full' }],
    'nonsense',
  ]);
  const { controller, table, errors } = controllerOf(source);
  await controller.start();
  assert.deepEqual([...source.pods.keys()], ['10.0.0.7', 'nonsense']);
  assert.equal(table.get('10.0.0.7')?.acceleration, 'full');
  assert.match(errors[0]!.message, /'nonsense' is not an IPv4 address/);
  await controller.close();
});

test('a table that is closed ends the controller', async () => {
  const source = new StaticPods(['10.0.0.1']);
  const { controller, table, errors } = controllerOf(source);
  await controller.start();
  table.refuses.set('10.0.0.2', new ClosedError('map'));
  source.set(['10.0.0.1', '10.0.0.2']);
  await until('closed', () => controller.closed);
  assert.ok(errors[0] instanceof ClosedError);
});

test('close while the source is not synced ends start', async () => {
  const { controller } = controllerOf(new Driven());
  const started = controller.start();
  await controller.close();
  await assert.rejects(started, (error: ClosedError) => error.code === 'ERR_BPF_CLOSED');
  await assert.rejects(
    controllerOf(new StaticPods(), new PlainTable(), {
      attach: () => {
        throw new RangeError('no');
      },
    }).controller.start(),
    RangeError,
  );
});

test('events: synced, errors and disconnects of the source; no listener, no crash', async () => {
  const source = new Driven();
  const { controller, errors } = controllerOf(source);
  const seen: unknown[] = [];
  controller
    .on('synced', () => seen.push('synced'))
    .on('disconnected', (reason, ms) => seen.push([reason.message, ms]));
  source.sync();
  await controller.start();
  source.fail(new Error('bad file'));
  source.emit('disconnected', new Error('cut'), 5);
  source.sync({ a: pod('a', '10.0.0.1') });
  await until('synced again', () => seen.length === 3);
  assert.deepEqual(seen, ['synced', ['cut', 5], 'synced']);
  assert.equal(errors[0]?.message, 'bad file');
  await controller.close();

  const warned = new Promise<Error>(resolve => process.once('warning', resolve));
  const silent = new Driven();
  const other = new PodController({ source: silent, attach: () => ({ localPodIps: new PlainTable() }) });
  silent.fail(new Error('nobody listens'));
  assert.equal((await warned).message, 'nobody listens');
  await other.close();
});

test('options that make no sense', () => {
  const source = new StaticPods();
  const attach = (): PodTarget => ({ localPodIps: new PlainTable() });
  assert.throws(() => new PodController({ source, attach, resyncSeconds: -1 }), RangeError);
  assert.throws(() => new PodController({ source, attach, other: 1 } as never), /unknown option 'other'/);
  assert.throws(() => new PodController({ source } as never), TypeError);
});
