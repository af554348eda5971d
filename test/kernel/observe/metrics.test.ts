/** merbridge/metrics: what a scrape says is what the kernel counted, whatever became of the mesh. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { MeshAccelerator, PinnedMesh, detachAll } from 'merbridge';
import { registerMeshMetrics } from 'merbridge/metrics';
import { Registry } from 'prom-client';
import { BpfSockHashMap } from '../../../src/bpf';
import { tcpPair } from '../../../src/bpf/internal';
import { mapFill } from '../../../src/mesh/maps/map-fill';
import { quadrupleCodec } from '../../../src/mesh/maps/quadruple';
import { Bed, WEB_PORT, enterMesh, request, startSidecar, startWebServer, type Pod } from '../../bed';
import { Agent } from '../../bed/agent';
import { Bpffs } from '../../fixtures/bpffs';
import { parseExposition } from '../../fixtures/exposition';
import { ROOT, withCgroup } from '../../fixtures/support';

const scrape = async (registry: Registry): Promise<Map<string, Map<string, number>>> =>
  new Map([...parseExposition(await registry.metrics())].map(([name, { samples }]) => [name, new Map(samples)]));

async function startTraffic(client: Pod, server: Pod): Promise<() => Promise<void>> {
  await startWebServer(server);
  await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'haproxy', log: false })));
  return async () => {
    const { ok, error } = await request(client, `http://${server.address}:${WEB_PORT}/`);
    assert.ok(ok, error);
  };
}

test('a scrape after real traffic says what mesh.counters() says, in each family', async t => {
  using bed = Bed.create({ subnet: 51 });
  const [client, server] = [bed.pod('client'), bed.pod('server')];
  const mesh = await enterMesh(bed, 'full');
  await using _ = mesh;
  const registry = new Registry();
  const controller = { lag: 0.25, errors: 3, pods: 2 };
  const metrics = registerMeshMetrics({ registry, mesh, controller });
  const send = await startTraffic(client, server);
  await send();
  mesh.acceleration = 'off';
  await send();
  const families = await scrape(registry);
  assert.deepEqual([...families.keys()].sort(), [...metrics.names].sort());

  // Nothing sends any more: so what was read a moment later is the same.
  const counters = mesh.counters();
  const expected: Record<string, Record<string, bigint>> = {
    merbridge_connections_total: {
      'direction="outbound",verdict="redirected"': counters.outbound,
      'direction="inbound",verdict="redirected"': counters.inbound,
      'direction="none",verdict="left_alone"': counters.leftAlone,
    },
    merbridge_redirected_messages_total: { '': counters.redirectedMessages },
    merbridge_redirected_bytes_total: { '': counters.redirectedBytes },
    merbridge_passed_messages_total: {
      'reason="scope"': counters.passedScope,
      'reason="no_peer"': counters.passedNoPeer,
      'reason="first"': counters.passedFirst,
      'reason="backlog"': counters.passedBacklog,
      'reason="switch"': counters.passedSwitch,
      'reason="peer_gone"': counters.passedPeerGone,
      'reason="peer_left"': counters.passedPeerLeft,
    },
    merbridge_held_segments_total: { '': counters.heldSegments },
    merbridge_sockets_total: {
      'result="entered"': counters.sockets,
      'result="left"': counters.socketsLeft,
      'result="refused"': counters.socketErrors,
    },
    merbridge_hook_errors_total: { '': counters.hookErrors },
    merbridge_unknown_original_destinations_total: { '': counters.unknownOriginalDestinations },
    merbridge_events_total: {
      'result="sent"': counters.events,
      'result="limited"': counters.eventsLimited,
      'result="lost"': counters.eventsLost,
    },
  };
  for (const [name, samples] of Object.entries(expected))
    assert.deepEqual(
      Object.fromEntries(families.get(name)!),
      Object.fromEntries(Object.entries(samples).map(([key, value]) => [key, Number(value)])),
      name,
    );
  assert.ok(
    counters.outbound > 0n && counters.inbound > 0n && counters.redirectedBytes > 0n,
    'there was something to count',
  );
  t.diagnostic(
    `${counters.redirectedMessages} messages of ${counters.redirectedBytes} bytes, ${counters.passedNoPeer + counters.passedFirst + counters.passedSwitch} passed`,
  );

  assert.equal(families.get('merbridge_up')!.get(''), 1);
  assert.deepEqual(Object.fromEntries(families.get('merbridge_acceleration')!), {
    'scope="off"': 1,
    'scope="proxies"': 0,
    'scope="full"': 0,
  });
  assert.equal(families.get('merbridge_pods')!.get(''), 2);
  assert.equal(families.get('merbridge_map_entries')!.get('map="local_pod_ips"'), 2);
  assert.equal(families.get('merbridge_map_max_entries')!.get('map="local_pod_ips"'), mesh.localPodIps.maxEntries);
  assert.equal(families.get('merbridge_map_entries')!.get('map="process_ip"'), [...mesh.processIp].length);
  assert.ok(
    families.get('merbridge_map_entries')!.get('map="sock_pair_map"')! >= [...mesh.sockPairMap].length,
    'at least those that are in it',
  );
  assert.equal(families.get('merbridge_map_entries')!.size, 7);
  assert.equal(families.get('merbridge_reconcile_lag_seconds')!.get(''), 0.25);
  assert.equal(families.get('merbridge_reconcile_errors_total')!.get(''), 3);
  assert.equal(families.get('merbridge_reconcile_pods')!.get(''), 2);
  assert.equal(families.get('merbridge_read_errors_total')!.get(''), 0);
});

test('every counter is in a family, and every family in docs/metrics.md', () =>
  withCgroup(async cgroup => {
    await using mesh = await MeshAccelerator.start({ cgroup: cgroup.path, ignoreAdvisories: true });
    const registry = new Registry();
    // Each counter has a value of its own, and all of them have to be found again.
    const values = new Map(Object.keys(mesh.counters()).map((name, i) => [name, BigInt(1000 + i)]));
    const { names } = registerMeshMetrics({
      registry,
      controller: { lag: 0, errors: 0, pods: 0 },
      mesh: {
        acceleration: 'full',
        counters: () => Object.fromEntries(values) as never,
        mapFill: () => mesh.mapFill(),
      },
    });
    const told = [...(await scrape(registry)).values()].flatMap(samples => [...samples.values()]);
    for (const [name, value] of values) assert.equal(told.filter(each => each === Number(value)).length, 1, name);
    const docs = readFileSync(join(ROOT, 'docs', 'metrics.md'), 'utf8');
    for (const name of names) assert.ok(docs.includes(`\`${name}`), `${name} is not in docs/metrics.md`);
  }));

test('a scrape after close() says that there is no mesh, and the next mesh is found', () =>
  withCgroup(async cgroup => {
    const registry = new Registry();
    let mesh: MeshAccelerator | undefined;
    registerMeshMetrics({ registry, mesh: () => mesh });
    const up = async (): Promise<unknown> => {
      const families = await scrape(registry);
      assert.equal(families.get('merbridge_read_errors_total')!.get(''), 0);
      assert.equal(
        families.get('merbridge_connections_total')!.size,
        families.get('merbridge_up')!.get('') === 1 ? 3 : 0,
      );
      assert.equal(families.get('merbridge_map_entries')!.size > 0, families.get('merbridge_up')!.get('') === 1);
      return families.get('merbridge_up')!.get('');
    };
    assert.equal(await up(), 0, 'before the start');
    mesh = await MeshAccelerator.start({ cgroup: cgroup.path });
    assert.equal(await up(), 1);
    await mesh.close();
    assert.equal(await up(), 0);
    mesh = await MeshAccelerator.start({ cgroup: cgroup.path });
    // Closed while it is scraped: whatever was read by then, the server gets an answer.
    const [text] = await Promise.all([registry.metrics(), mesh.close()]);
    parseExposition(text);
    assert.equal(await up(), 0);
  }));

test('counters of a pinned mesh go on over a restart of the agent, killed or not, and end with detachAll', async () => {
  using bed = Bed.create({ subnet: 52 });
  using bpffs = new Bpffs();
  const pinDirectory = bpffs.directory();
  const [client, server] = [bed.pod('client'), bed.pod('server')];
  const options = {
    cgroup: bed.cgroupPath,
    pinDirectory,
    acceleration: 'full',
    pods: [client.address, server.address],
  } as const;
  const registry = new Registry();
  let agent = await Agent.start(options);
  using pinned = PinnedMesh.open(pinDirectory);
  registerMeshMetrics({ registry, mesh: pinned });
  const send = await startTraffic(client, server);
  let before = await scrape(registry);
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await agent.end(signal);
    await send();
    agent = await Agent.start(options);
    await send();
    const after = await scrape(registry);
    for (const [name, samples] of after) {
      if (!name.endsWith('_total')) continue;
      for (const [labels, value] of samples)
        assert.ok(value >= before.get(name)!.get(labels)!, `${name}{${labels}} went down`);
    }
    const outbound = (families: typeof after): number =>
      families.get('merbridge_connections_total')!.get('direction="outbound",verdict="redirected"')!;
    assert.ok(outbound(after) > outbound(before), 'what was sent while the agent was away is counted, too');
    before = after;
  }
  await agent.end('SIGTERM');
  await detachAll({ pinDirectory });
  const families = await scrape(registry);
  assert.equal(families.get('merbridge_up')!.get(''), 0);
  assert.equal(families.get('merbridge_read_errors_total')!.get(''), 0);
});

test('65,536 sockets are counted in pieces, between which the event loop goes on', async t => {
  // Without a program, a socket may be in it under any number of keys.
  using map = BpfSockHashMap.create({ name: 'sock_pair_map', key: quadrupleCodec, maxEntries: 65_536 });
  using pair = tcpPair();
  for (let i = 0; i < map.maxEntries; i++)
    map.set(
      { local: { address: `10.0.${i >> 8}.${i & 255}`, port: 80 }, remote: { address: '10.1.0.1', port: 80 } },
      pair.client,
    );
  let turns = 0;
  let counting = true;
  const loop = (async () => {
    for (; counting; turns++) await setImmediate();
  })();
  const start = process.cpuUsage();
  const fill = await mapFill(name => (name === 'sock_pair_map' ? map : undefined));
  const { user, system } = process.cpuUsage(start);
  counting = false;
  await loop;
  assert.deepEqual(fill, [{ map: 'sock_pair_map', entries: 65_536, maxEntries: 65_536, evicts: false }]);
  t.diagnostic(`${turns} turns of the event loop, ${Math.round((user + system) / 1000)} ms of CPU time`);
  assert.ok(turns >= 10, `${turns} turns of the event loop`);
});

test('a registry that is none, a name that is taken: nothing is registered', () =>
  withCgroup(async cgroup => {
    await using mesh = await MeshAccelerator.start({ cgroup: cgroup.path });
    for (const registry of [undefined, {}, 'prom-client'])
      assert.throws(() => registerMeshMetrics({ registry: registry as never, mesh }), {
        name: 'TypeError',
        message: /npm install prom-client/,
      });
    const registry = new Registry();
    const first = registerMeshMetrics({ registry, mesh });
    assert.throws(() => registerMeshMetrics({ registry, mesh }), /already been registered/);
    assert.equal(registry.getMetricsAsArray().length, first.names.length);
    first.close();
    first.close();
    assert.equal(registry.getMetricsAsArray().length, 0);
    registerMeshMetrics({ registry, mesh });
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
    for (let i = 0; i < 2; i++)
      assert.match(await registry.metrics(), /^# TYPE merbridge_hook_errors counter\nmerbridge_hook_errors_total 0$/m);
  }));
