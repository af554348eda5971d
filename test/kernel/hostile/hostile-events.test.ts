/** One pod's connections do not hide those of others from who listens to events. */
// Alone: every event of one pod has to be read while another floods.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bed, Dialler, SIDECAR_UID, enterMesh, startListener, type Pod } from '../../bed';
import { until } from '../../bed/shell';

const PER_SECOND = 200;
const HONEST = 60;
/** Events in a row. Before each row the pod is silent for longer than the programs remember it. */
const ROW = 20;

/** Dials without a pause, until it is killed. */
const FLOOD = `
import socket, sys
for _ in range(3000000):
    with socket.socket() as dialling:
        dialling.setblocking(False)
        dialling.connect_ex((sys.argv[1], 8080))`;

/** Dials more often than may be told at the beginning of every second second of the clock that the programs read. */
const FLOOD_BY_TURNS = `
import socket, sys, time
turn = -1
for _ in range(200000):
    second = int(time.clock_gettime(time.CLOCK_MONOTONIC))
    if second % 2 or second == turn:
        time.sleep(0.001)
        continue
    turn = second
    for _ in range(${2 * PER_SECOND}):
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

/** What happened in each second of the clock of events. */
class Seconds {
  readonly #counts = new Map<number, number>();

  add(second: number): void {
    this.#counts.set(second, this.of(second) + 1);
  }

  of(second: number): number {
    return this.#counts.get(second) ?? 0;
  }

  entries(): readonly (readonly [second: number, count: number])[] {
    return [...this.#counts];
  }
}

const now = (): number => Math.floor(Number(process.hrtime.bigint()) / 1e9);

test(
  'pods that flood in every second second: all of a steady pod are told, and the first of a silent one',
  { timeout: 240_000 },
  async t => {
    using bed = Bed.create({ subnet: 133 });
    const floods = ['flood-a', 'flood-b', 'flood-c', 'flood-d'].map(name => bed.pod(name));
    const [steady, rare, other] = [bed.pod('steady'), bed.pod('rare'), bed.pod('other')];
    for (const pod of [...floods, steady, rare, other]) await startListener(pod, [15001], SIDECAR_UID);
    await using mesh = await enterMesh(bed, 'off');
    mesh.events = { perSecond: PER_SECOND };
    const told = new Map([...floods, steady, rare].map(pod => [pod.address, new Seconds()]));
    mesh.on('connection', ({ pod, time }) => told.get(pod)!.add(Math.floor(Number(time) / 1e9)));
    const of = (pod: Pod): Seconds => told.get(pod.address)!;

    using often = new Dialler(steady);
    using seldom = new Dialler(rare);
    const flooding = floods.map(pod =>
      pod.spawn('nice', ['-n', '19', 'python3', '-c', FLOOD_BY_TURNS, other.address], { uid: 2000, stdio: 'ignore' }),
    );
    const ended = Promise.all(flooding.map(each => once(each, 'exit')));
    await until('they flood', () => floods.every(pod => of(pod).entries().length > 0));
    // Dials that began and ended in the same second: on a busy machine it is not known to which second others belong.
    const [dialled, dialledRare] = [new Seconds(), new Seconds()];
    const dial = async (dialler: Dialler, seconds: Seconds): Promise<void> => {
      const began = now();
      await dialler.dial([`${other.address}:8080`]);
      if (now() === began) seconds.add(began);
    };
    for (let turn = now(); dialledRare.entries().length < 8;) {
      await dial(often, dialled);
      // Once in a second of the flood, when it has begun. It is silent for more than a second before each.
      if (now() % 2 === 0 && now() >= turn + 2 && (Number(process.hrtime.bigint()) / 1e9) % 1 > 0.4) {
        await dial(seldom, dialledRare);
        turn = now();
      }
      await sleep(50);
    }
    for (const each of flooding) each.kill('SIGKILL');
    await ended;

    const missing = () => [
      // One that had no event in the second before is a silent pod.
      ...dialled
        .entries()
        .filter(([second, count]) => dialled.of(second - 1) > 0 && of(steady).of(second) < count)
        .map(([second, count]) => `steady: ${of(steady).of(second)} of ${count}`),
      ...dialledRare
        .entries()
        .filter(([second]) => of(rare).of(second) === 0)
        .map(() => 'rare: 0 of 1'),
    ];
    await until('all are told', () => missing().length === 0).catch(() => undefined); // below
    const sum = (seconds: Seconds) => seconds.entries().reduce((all, [, count]) => all + count, 0);
    t.diagnostic(`steady ${sum(of(steady))} of ${sum(dialled)}, floods ${floods.map(pod => sum(of(pod))).join(' ')}`);
    assert.deepEqual(missing(), []);
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
