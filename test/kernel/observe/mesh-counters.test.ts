/** Counters say what was done: in every scope the same of the same traffic, and nothing wrong of what is right. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  SIDECAR_KINDS,
  SIDECAR_UID,
  SCOPES,
  Bed,
  WEB_PORT,
  applyIstioRules,
  dial,
  enterMesh,
  request,
  startListener,
  startSidecar,
  startWebServer,
  type Pod,
} from '../../bed';
import { until } from '../../bed/shell';

for (const kind of SIDECAR_KINDS) {
  test(
    `${kind}: what the node translates and the mesh's own rules redirect is no unknown original destination`,
    { timeout: 240_000 },
    async () => {
      using bed = Bed.create({ subnet: 134 });
      const [client, server] = [bed.pod('client'), bed.pod('server')];
      for (const pod of [client, server]) applyIstioRules(pod);
      await startWebServer(server);
      const sidecar = await startSidecar(server, { kind });
      await using mesh = await enterMesh(bed, 'proxies');
      const service = '10.96.0.10';
      client.admin('iptables', [
        '-t',
        'nat',
        '-A',
        'OUTPUT',
        '-d',
        service,
        '-p',
        'tcp',
        '--dport',
        '80',
        '-j',
        'DNAT',
        '--to-destination',
        `${server.address}:${WEB_PORT}`,
      ]);
      for (let i = 0; i < 3; i++) assert.ok((await request(client, `http://${service}/`, { uid: SIDECAR_UID })).ok);
      assert.equal(
        (await sidecar.logged(3)).every(({ destination }) => destination === `${server.address}:${WEB_PORT}`),
        true,
      );
      assert.equal(mesh.counters().unknownOriginalDestinations, 0n);
    },
  );
}

test('counters are written as JSON, and copied without more than the counters', async () => {
  using bed = Bed.create({ subnet: 135 });
  await using mesh = await enterMesh(bed, 'proxies');
  const counters = mesh.counters();
  const strings = Object.fromEntries(Object.entries(counters).map(([name, count]) => [name, String(count)]));
  assert.ok(Object.keys(strings).length > 10);
  for (const found of [counters, ...mesh.countersPerCpu()])
    assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(found))), Object.keys(strings));
  assert.deepEqual(JSON.parse(JSON.stringify({ counters })), { counters: strings });
  assert.equal('toJSON' in { ...counters }, false);
});

test('leftAlone, outbound and inbound do not depend on the scope', async () => {
  const seen: Record<string, unknown> = {};
  for (const scope of SCOPES) {
    using bed = Bed.create({ subnet: 135 });
    const [own, other] = [bed.pod('own'), bed.pod('other')];
    for (const pod of [own, other]) {
      await startListener(pod, [15001, 15006], SIDECAR_UID);
      await startListener(pod, [8080], 2000);
    }
    await using mesh = await enterMesh(bed, scope);
    await dial(own, [`${other.address}:8080`, `${own.address}:8080`, '127.0.0.1:8080']);
    await dial(
      own,
      [
        `127.0.0.6=${own.address}:8080`,
        `127.0.0.6=127.0.0.1:8080`,
        `${other.address}:8080`,
        `127.0.0.6=${own.address}:15006`,
      ],
      { uid: SIDECAR_UID },
    );
    const { outbound, inbound, leftAlone, hookErrors } = mesh.counters();
    seen[scope] = { outbound, inbound, leftAlone, hookErrors };
  }
  const expected = { outbound: 1n, inbound: 1n, leftAlone: 4n, hookErrors: 1n };
  assert.deepEqual(seen, Object.fromEntries(SCOPES.map(scope => [scope, expected])));
});

test('a pod whose address cannot be bound keeps its path, and is not counted as redirected', async () => {
  using bed = Bed.create({ subnet: 136 });
  const [own, other] = [bed.pod('own'), bed.pod('other')];
  for (const pod of [own, other]) {
    await startListener(pod, [15001], SIDECAR_UID);
    await startListener(pod, [8080], 2000);
  }
  await using mesh = await enterMesh(bed, 'full');
  assert.equal((await dial(own, [`${other.address}:8080`]))[0]?.answer?.port, 15001);
  const before = mesh.counters();
  const second = '10.244.136.200/24';
  own.admin('ip', ['addr', 'add', second, 'dev', 'eth0']);
  own.admin('ip', ['addr', 'del', `${own.address}/24`, 'dev', 'eth0']);
  own.admin('ip', ['addr', 'replace', second, 'dev', 'eth0']);
  assert.equal((await dial(own, [`${other.address}:8080`]))[0]?.answer?.port, 8080);
  const after = mesh.counters();
  const { outbound, leftAlone, hookErrors } = after;
  assert.deepEqual(
    [outbound - before.outbound, leftAlone - before.leftAlone, hookErrors - before.hookErrors],
    [0n, 1n, 1n],
  );
});

/**
 * Dials an IPv4-mapped address by an IPv6 socket that takes IPv6 alone, which the kernel refuses; one with a port of
 * its own before.
 */
async function dialByIp6Alone(pod: Pod, host: string, port: number, bound: boolean): Promise<string> {
  const code = `
import socket, sys
dialling = socket.socket(socket.AF_INET6)
dialling.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
if sys.argv[3] == 'true': dialling.bind(('::', 0))
try: dialling.connect((f'::ffff:{sys.argv[1]}', int(sys.argv[2])))
except OSError as error: print(error.strerror)
else: print('connected')`;
  return (await pod.run('python3', ['-c', code, host, `${port}`, `${bound}`], { uid: 2000 })).stdout.trim();
}

for (const [counter, bound] of [
  ['outbound', true],
  ['leftAlone', false],
] as const) {
  test(`${counter} does not count a dial that the kernel refuses because its socket takes IPv6 alone`, async () => {
    using bed = Bed.create({ subnet: 141 });
    const [own, other] = [bed.pod('own'), bed.pod('other')];
    await using mesh = await enterMesh(bed, 'full');
    mesh.events = true;
    const drops: unknown[] = [];
    mesh.on('dropped', drop => drops.push(drop));
    assert.equal(await dialByIp6Alone(own, other.address, 8080, bound), 'Network is unreachable');
    const { outbound, inbound, leftAlone, hookErrors, events } = mesh.counters();
    assert.deepEqual(
      { outbound, inbound, leftAlone, hookErrors, events },
      { outbound: 0n, inbound: 0n, leftAlone: 0n, hookErrors: 0n, events: 0n },
    );
    assert.deepEqual(drops, []);
  });
}

test('a socket that connects again and again is counted out of sock_pair_map once', async () => {
  using bed = Bed.create({ subnet: 140 });
  const pod = bed.pod('pod');
  await startListener(pod, [15001], SIDECAR_UID);
  await using mesh = await enterMesh(bed, 'full');
  const child = pod.spawn(
    'python3',
    [
      '-c',
      `
import ctypes, socket, sys
libc = ctypes.CDLL(None)
held = [socket.create_connection(('192.0.2.7', 80)) for _ in range(20)]
listener = socket.create_server(('127.0.0.1', 9999))
again = socket.socket()
again.connect(('192.0.2.7', 80))
for _ in range(500):
    libc.connect(again.fileno(), bytes(16), 16)
    again.connect(('127.0.0.1', 9999))
    listener.accept()[0].close()
print('done', flush=True)
sys.stdin.read()`,
    ],
    { uid: 2000, stdio: ['pipe', 'pipe', 'inherit'] },
  );
  assert.equal(String((await once(child.stdout!, 'data'))[0]), 'done\n');
  await until('one that was disconnected has left the map', () => [...mesh.sockPairMap].length === 20);
  const fill = (await mesh.mapFill()).find(({ map }) => map === 'sock_pair_map');
  assert.equal(fill?.entries, 20);
  child.kill('SIGKILL');
});
