/**
 * A reset stays a reset: a sidecar or an application that refuses, closes with bytes unread or aborts is seen as under
 * iptables.
 */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import {
  APPLICATION_UID,
  Bed,
  INBOUND_PORT,
  type Outcomes,
  type Pod,
  SIDECAR_KINDS,
  SIDECAR_UID,
  type Sidecar,
  WAYS,
  type Way,
  enterMesh,
  startService,
  startSidecar,
  tally,
  tallyOf,
} from '../../bed';

const APP = resolve(__dirname, '..', '..', 'bed', 'apps', 'refuse.py');
const PORT = 8080;
const ROUNDS = Number(process.env.MERBRIDGE_TEST_ROUNDS ?? 5);
/** Longer than anything takes on a busy machine. */
const PATIENCE_MS = 60_000;

/** What the server does; see the program. */
type How = 'peek' | 'peek-two' | 'peek-big' | 'part' | 'late' | 'linger';
/** A server that closes with unread bytes that are the first ones. */
const FIRST: readonly How[] = ['peek', 'peek-two', 'peek-big', 'part'];

const isFull = (way: Way): boolean => way.endsWith('full');
const isAccelerated = (way: Way): boolean => isFull(way) || way.endsWith('proxies');

/** What sidecars log, status and letters, when they are reset; and when a stream ends in order. */
const REFUSED = { haproxy: { tcp: '0 SD', http: '502 SH' }, envoy: { tcp: '0 UR', http: '503 UC' } } as const;
const ENDED = { haproxy: '0 --', envoy: '0 -' } as const;

interface Scene {
  readonly client: Pod;
  readonly server: Pod;
}

/** What is seen in each way, in a bed of its own. */
async function seen<T>(
  ways: readonly Way[],
  prepare: (scene: Scene) => Promise<() => Promise<T>>,
): Promise<Partial<Record<Way, T>>> {
  const all: Partial<Record<Way, T>> = {};
  for (const way of ways) {
    using bed = Bed.create({ subnet: 163 });
    const see = await prepare({ client: bed.pod('client'), server: bed.pod('server') });
    const mesh = await enterMesh(bed, way);
    try {
      all[way] = await see();
    } finally {
      await mesh?.close();
    }
  }
  return all;
}

function expected<T>(ways: readonly Way[], of: (way: Way) => T): Partial<Record<Way, T>> {
  return Object.fromEntries(ways.map(way => [way, of(way)]));
}

async function startRefuser(pod: Pod, port: number, uid: number): Promise<void> {
  await startService(pod, { name: 'refuse', command: 'python3', args: [APP, 'serve', `${port}`], uid, ports: [port] });
}

async function ask({ client, server }: Scene, how: How, uid: number): Promise<Outcomes> {
  return tallyOf(
    await client.run('python3', [APP, 'ask', server.address, `${PORT}`, `${ROUNDS}`, how], {
      uid,
      timeoutMs: PATIENCE_MS,
    }),
  );
}

/** What the application was told, and what its sidecar says of it. */
async function askThrough(sidecar: Sidecar, scene: Scene, how: How): Promise<{ told: Outcomes; ended: Outcomes }> {
  sidecar.clearLog();
  const told = await ask(scene, how, APPLICATION_UID);
  const logged = await sidecar.logged(ROUNDS, PATIENCE_MS);
  return { told, ended: tally(logged.map(({ status, ended }) => `${status} ${ended}`)) };
}

test('between two sidecars', { timeout: 10 * PATIENCE_MS }, async () => {
  const outcomes = await seen(WAYS, async scene => {
    await startRefuser(scene.server, INBOUND_PORT, SIDECAR_UID);
    return async () => {
      const each: Partial<Record<How, Outcomes>> = {};
      for (const how of [...FIRST, 'late', 'linger'] as const) each[how] = await ask(scene, how, SIDECAR_UID);
      return each;
    };
  });
  const first = Object.fromEntries(FIRST.map(how => [how, { ECONNRESET: ROUNDS }]));
  assert.deepEqual(
    outcomes,
    expected(WAYS, way => ({
      ...first,
      // Later bytes are redirected. Unread, they make no reset of an end (docs/hazards.md).
      late: { [isAccelerated(way) ? 'OK end' : 'OK ECONNRESET']: ROUNDS },
      linger: { 'answer ECONNRESET': ROUNDS },
    })),
  );
});

for (const kind of SIDECAR_KINDS) {
  for (const mode of ['tcp', 'http'] as const) {
    test(
      `${kind}, ${mode}: a sidecar that refuses; what the other one says of it`,
      { timeout: 10 * PATIENCE_MS },
      async () => {
        const outcomes = await seen(WAYS, async scene => {
          await startRefuser(scene.server, INBOUND_PORT, SIDECAR_UID);
          const sidecar = await startSidecar(scene.client, { kind, mode });
          return () => askThrough(sidecar, scene, 'peek');
        });
        assert.deepEqual(outcomes.iptables!.ended, { [REFUSED[kind][mode]]: ROUNDS });
        assert.deepEqual(
          outcomes,
          expected(WAYS, () => outcomes.iptables),
        );
      },
    );
  }

  test(`${kind}: an application that closes with bytes unread`, { timeout: 10 * PATIENCE_MS }, async () => {
    const hows = ['peek', 'peek-two', 'part', 'late'] as const;
    const outcomes = await seen(WAYS, async scene => {
      await startRefuser(scene.server, PORT, APPLICATION_UID);
      const [sidecar] = await Promise.all(
        [scene.server, scene.client].map(pod => startSidecar(pod, { kind, mode: 'tcp' })),
      );
      return async () => {
        const each: Record<string, { told: Outcomes; ended: Outcomes }> = {};
        for (const how of hows) each[how] = await askThrough(sidecar!, scene, how);
        return each;
      };
    });
    for (const how of hows) assert.deepEqual(outcomes.iptables![how]!.ended, { [REFUSED[kind].tcp]: ROUNDS });
    // In `full` they wait beside the TCP stack, which ends the stream in order (docs/hazards.md).
    const inFull = Object.fromEntries(
      hows.map(how => [
        how,
        {
          told: { [how === 'late' ? 'OK end' : 'end']: ROUNDS },
          ended: { [ENDED[kind]]: ROUNDS },
        },
      ]),
    );
    assert.deepEqual(
      outcomes,
      expected(WAYS, way => (isFull(way) ? inFull : outcomes.iptables)),
    );
  });
}
