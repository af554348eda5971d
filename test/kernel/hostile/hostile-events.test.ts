/** One pod's connections do not hide those of others from who listens to events. */
// Alone: every event of one pod has to be read while another floods.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bed, Dialler, SIDECAR_UID, enterMesh, startListener, type Pod } from '../../bed';
import { until } from '../../bed/shell';

/** Dials without a pause, until it is killed. */
const FLOOD = `
import socket, sys
for _ in range(3000000):
    with socket.socket() as dialling:
        dialling.setblocking(False)
        dialling.connect_ex((sys.argv[1], 8080))`;

/**
 * Accepts on a sidecar's ports what it dials itself from addresses that belong to others, or to nobody, and asks what
 * was dialled.
 */
const LIES = `
import random, socket, subprocess, sys
destination, sources = (sys.argv[1], int(sys.argv[2])), sys.argv[3:]
if sources:
    for arguments in ('link set lo up', *(f'addr add {address}/32 dev lo' for address in {destination[0], *sources})):
        subprocess.run(['ip', *arguments.split()], check=True)
listener = socket.create_server(destination, backlog=64)
told = 0
for _ in range(20000):
    with socket.socket() as dialling:
        source = sources[0] if sources else f'127.{random.randrange(1, 120)}.{random.randrange(256)}.{random.randrange(1, 255)}'
        dialling.setsockopt(0, 24, 1)
        dialling.bind((source, 0))
        dialling.connect(destination)
        accepted, _ = listener.accept()
        with accepted:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\1\\0\\0\\0\\0\\0\\0\\0')
            try:
                accepted.getsockopt(0, 80, 16)
            except OSError:
                told += 1
print(told)`;

const PER_SECOND = 200;
const HONEST = 60;
/** Events in a row. Before each row the pod is silent for longer than the programs remember it. */
const ROW = 20;

test(
  `a pod that dials without a pause: all of ${HONEST} events of a pod that was silent are told`,
  { timeout: 240_000 },
  async t => {
    using bed = Bed.create({ subnet: 133 });
    const [hostile, honest, other] = [bed.pod('hostile'), bed.pod('honest'), bed.pod('other')];
    for (const pod of [hostile, honest, other]) await startListener(pod, [15001], SIDECAR_UID);
    await using mesh = await enterMesh(bed, 'off');
    mesh.events = { perSecond: PER_SECOND };
    const told = new Map<string, number>();
    mesh.on('connection', ({ pod }) => told.set(pod, (told.get(pod) ?? 0) + 1));
    const of = (pod: Pod): number => told.get(pod.address) ?? 0;

    using dialler = new Dialler(honest);
    const flood = hostile.spawn('python3', ['-c', FLOOD, other.address], { uid: 2000, stdio: 'ignore' });
    const ended = once(flood, 'exit');
    await until('it is a flood', () => mesh.counters().eventsLimited > 5000n);
    for (let i = 0; i < HONEST; i++) {
      if (i % ROW === 0) await sleep(2100);
      await dialler.dial([`${other.address}:8080`]);
      await sleep(50);
    }
    flood.kill('SIGKILL');
    await ended;
    await until('all of the honest pod are told', () => of(honest) >= HONEST).catch(() => undefined); // below
    const { eventsLimited } = mesh.counters();
    t.diagnostic(`honest ${of(honest)} of ${HONEST}, hostile ${of(hostile)}, left out ${eventsLimited}`);
    assert.equal(of(honest), HONEST);
  },
);

for (const [who, unshare, destination] of [
  ['a pod outside the mesh', [], () => ['127.200.0.1', '15001']],
  [
    'a user in a namespace of its own',
    ['unshare', '-Urn', '--'],
    (victim: Pod, other: Pod) => [victim.address, '15006', other.address],
  ],
] as const) {
  test(
    `${who} that plays a sidecar is no pod: nothing is told of it or of others, and nothing counted`,
    { timeout: 240_000 },
    async t => {
      using bed = Bed.create({ subnet: 139 });
      const [honest, other] = [bed.pod('honest'), bed.pod('other')];
      await using mesh = await enterMesh(bed, 'off');
      const stranger = bed.pod('stranger');
      mesh.events = { perSecond: PER_SECOND };
      const told = new Map<string, number>();
      mesh.on('dropped', ({ pod, reason }) => told.set(`${pod} ${reason}`, (told.get(`${pod} ${reason}`) ?? 0) + 1));
      const [command, ...args] = [...unshare, 'python3', '-c', LIES, ...destination(honest, other)];
      const lying = stranger.run(command, args, { uid: 2000 });
      using dialler = new Dialler(honest, { uid: SIDECAR_UID });
      await sleep(500);
      for (let i = 0; i < HONEST; i++) {
        const [refused] = await dialler.dial(['127.130.0.1:15001']);
        assert.match(refused!.error!, /not permitted/);
        await sleep(20);
      }
      const { stdout, stderr, code } = await lying;
      assert.equal(code, 0, stderr);
      await until('all that were refused are told', () => (told.get(`${honest.address} loop`) ?? 0) >= HONEST);
      t.diagnostic(`${stdout.trim()} of 20000 were refused an answer; told ${JSON.stringify([...told])}`);
      assert.ok(Number(stdout) > 10_000, 'the attack was one');
      assert.deepEqual([...told], [[`${honest.address} loop`, HONEST]]);
      assert.equal(mesh.counters().unknownOriginalDestinations, 0n);
    },
  );
}
