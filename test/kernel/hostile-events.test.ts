/** One pod's connections do not hide those of others from who listens to events. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bed, Dialler, SIDECAR_UID, enterMesh, startListener, type Pod } from '../bed';

/** Dials without a pause, until it is killed. */
const FLOOD = `
import socket, sys
for _ in range(400000):
    with socket.socket() as dialling:
        dialling.setblocking(False)
        dialling.connect_ex((sys.argv[1], 8080))`;

const PER_SECOND = 200;
const HONEST = 60;

test(`a pod that dials without a pause: all of ${HONEST} events of another pod are told`, { timeout: 60_000 }, async t => {
  using bed = Bed.create({ subnet: 133 });
  const [hostile, honest, other] = [bed.pod('hostile'), bed.pod('honest'), bed.pod('other')];
  for (const pod of [hostile, honest, other]) await startListener(pod, [15001], SIDECAR_UID);
  await using mesh = await enterMesh(bed, 'off');
  mesh.events = { perSecond: PER_SECOND };
  const told = new Map<string, number>();
  mesh.on('connection', ({ pod }) => told.set(pod, (told.get(pod) ?? 0) + 1));
  const of = (pod: Pod): number => told.get(pod.address) ?? 0;

  using dialler = new Dialler(honest);
  await dialler.dial([`${other.address}:8080`]);
  const flood = hostile.spawn('python3', ['-c', FLOOD, other.address], { uid: 2000, stdio: 'ignore' });
  const ended = once(flood, 'exit');
  await sleep(1100);
  const before = of(honest);
  for (let i = 0; i < HONEST; i++) {
    await dialler.dial([`${other.address}:8080`]);
    await sleep(50);
  }
  flood.kill('SIGKILL');
  await ended;
  await sleep(300);
  const { eventsLimited } = mesh.counters();
  t.diagnostic(`honest ${of(honest) - before} of ${HONEST}, hostile ${of(hostile)}, left out ${eventsLimited}`);
  assert.ok(eventsLimited > 5000n, 'it was a flood');
  assert.equal(of(honest) - before, HONEST);
});
