/**
 * A socket that was disconnected, connect(2) with AF_UNSPEC, has nothing left of its first connection, and is counted
 * once.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MapPressureEvent, MeshAccelerator } from 'merbridge';
import {
  APPLICATION_UID,
  Bed,
  type EnterOptions,
  MODES,
  type Mode,
  type Outcomes,
  type Pod,
  SIDECAR_KINDS,
  type SidecarKind,
  enterMesh,
  startService,
  startSidecar,
  tally,
  tallyOf,
} from '../../bed';

const APP = resolve(__dirname, '..', '..', 'bed', 'apps', 'disconnect.py');
const [FIRST, SECOND] = [8080, 9090];
const ROUNDS = Number(process.env.MERBRIDGE_TEST_ROUNDS ?? 20);
/** Longer than anything takes on a busy machine. */
const PATIENCE_MS = 60_000;
const REDIALS = 5000;
/** Less than sidecars let connections be idle. */
const SETTLED_MS = 30_000;

interface Scene extends AsyncDisposable {
  readonly client: Pod;
  readonly server: Pod;
  readonly mesh: MeshAccelerator | undefined;
}

async function inMesh(kind: SidecarKind, mode: Mode, options: EnterOptions = {}): Promise<Scene> {
  const bed = Bed.create({ subnet: 162 });
  try {
    const [client, server] = [bed.pod('client'), bed.pod('server')];
    await startService(server, {
      name: 'servers',
      command: 'python3',
      args: [APP, 'serve', `${FIRST}`, `${SECOND}`],
      uid: APPLICATION_UID,
      ports: [FIRST, SECOND],
    });
    for (const pod of bed.pods) await startSidecar(pod, { kind, mode: 'tcp', log: false });
    const mesh = await enterMesh(bed, mode, options);
    return {
      client,
      server,
      mesh,
      async [Symbol.asyncDispose]() {
        await mesh?.close();
        bed.close();
      },
    };
  } catch (error) {
    bed.close();
    throw error;
  }
}

const argsOf = (what: string, { server }: Scene, count: number): string[] => [
  APP,
  what,
  server.address,
  `${FIRST}`,
  `${SECOND}`,
  `${count}`,
];

async function outcomes(
  what: 'elsewhere' | 'beside' | 'listening' | 'alone',
  scene: Scene,
  count: number,
): Promise<Outcomes> {
  return tallyOf(
    await scene.client.run('python3', argsOf(what, scene, count), { uid: APPLICATION_UID, timeoutMs: PATIENCE_MS }),
  );
}

for (const kind of SIDECAR_KINDS) {
  test(
    `${kind}: a socket that is disconnected with bytes unread has none of them left`,
    { timeout: 5 * PATIENCE_MS },
    async () => {
      const seen: Partial<Record<Mode, Outcomes[]>> = {};
      for (const mode of MODES) {
        await using scene = await inMesh(kind, mode);
        seen[mode] = [];
        for (const what of ['elsewhere', 'beside', 'listening', 'alone'] as const)
          seen[mode].push(await outcomes(what, scene, ROUNDS));
      }
      const [elsewhere, beside, listening, alone] = seen.iptables!;
      assert.deepEqual(elsewhere, { 'of the second server': ROUNDS });
      assert.deepEqual(beside, { 'of its own': ROUNDS });
      assert.deepEqual(listening, { 'of its own of its own': ROUNDS });
      assert.match(Object.keys(alone!).join(), /^ECONNRESET ENOTCONN EPIPE ENOTCONN ENOTCONN \d+$/);
      assert.deepEqual(seen, Object.fromEntries(MODES.map(mode => [mode, seen.iptables])));
    },
  );
}

/** One socket that connects again and again, then waits. */
async function redial(scene: Scene, count: number): Promise<{ seen: Outcomes; end: () => Promise<void> }> {
  const child = scene.client.spawn('python3', argsOf('again', scene, count), {
    uid: APPLICATION_UID,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line === 'done') break;
    lines.push(line);
  }
  return {
    seen: tally(lines),
    end: async () => {
      child.stdin!.end();
      await once(child, 'exit');
    },
  };
}

/** Connections that stay. */
async function hold({ client, server }: Scene, count: number): Promise<() => Promise<void>> {
  const code = `
import socket, sys
held = [socket.create_connection((sys.argv[1], ${FIRST})) for _ in range(${count})]
for each in held: each.sendall(b'hello')
for each in held: each.recv(100)
print('held', flush=True)
sys.stdin.read()`;
  const child = client.spawn('python3', ['-c', code, server.address], {
    uid: APPLICATION_UID,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return async () => {
    child.stdin!.end();
    await once(child, 'exit');
  };
}

/** How many sockets are in the map: as it is told, and as they can be counted. */
async function sockets(mesh: MeshAccelerator): Promise<{ told: number | undefined; counted: number }> {
  const told = (await mesh.mapFill()).find(({ map }) => map === 'sock_pair_map')!.entries;
  return { told, counted: [...mesh.sockPairMap].length };
}

/** Waits until both are that: sockets leave a little after they were closed. */
async function settled(mesh: MeshAccelerator, wanted: number): Promise<void> {
  for (const end = Date.now() + SETTLED_MS; ;) {
    const now = await sockets(mesh);
    if (now.told === wanted && now.counted === wanted) return;
    if (Date.now() > end) assert.deepEqual(now, { told: wanted, counted: wanted });
    await sleep(50);
  }
}

test(
  `one socket that dials ${REDIALS} times is counted once, and what fills the map is told`,
  { timeout: 8 * PATIENCE_MS },
  async () => {
    // Six sockets a connection: 36 that stay, 48 of 60 make 80 %.
    await using scene = await inMesh('haproxy', 'full', { maxSockets: 60, events: { mapPressure: true } });
    const mesh = scene.mesh!;
    const told: MapPressureEvent[] = [];
    mesh.on('mapPressure', event => told.push(event));
    const release = await hold(scene, 6);
    await settled(mesh, 36);

    const { seen, end } = await redial(scene, REDIALS);
    assert.deepEqual(seen, { ok: REDIALS });
    await settled(mesh, 36);
    await end();
    await settled(mesh, 36);
    // One that is disconnected while a message is queued on it keeps its psock for a moment, and may not enter at once:
    // that connection is plain TCP.
    const { socketErrors } = mesh.counters();
    assert.ok(socketErrors <= 5n, `${socketErrors} of ${REDIALS} connections were refused`);
    assert.deepEqual(told, []);

    const more = await hold(scene, 2);
    await settled(mesh, 48);
    for (const limit = Date.now() + PATIENCE_MS; told.length === 0 && Date.now() < limit;) await sleep(10);
    assert.deepEqual(told, [{ map: 'sock_pair_map', entries: 48, maxEntries: 60, level: 0.8 }]);
    await more();
    await release();
    await settled(mesh, 0);
  },
);
