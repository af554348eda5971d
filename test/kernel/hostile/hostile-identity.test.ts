/** A pod is the processes of its cgroup, not whoever has its address: a network in a pod may have any. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { MeshAccelerator, type ConnectionEvent } from 'merbridge';
import { Bed, SIDECAR_UID, dial, startListener, type Pod } from '../../bed';
import { until } from '../../bed/shell';

const INNER = join(__dirname, '..', '..', 'bed', 'apps', 'hostile', 'inner.py');
const DIALS = 5;

/**
 * Runs a container of its own in a pod, which gives itself an address. The program is copied: a clone may be closed to
 * all but root.
 */
async function inner(pod: Pod, address: string, uid: number, flags: string): Promise<Record<string, number>> {
  const program = join(pod.directory, 'inner.py');
  copyFileSync(INNER, program);
  const { code, stdout, stderr } = await pod.run('unshare', [flags, 'python3', program, address, `${DIALS}`], { uid });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Record<string, number>;
}

async function listen(pod: Pod): Promise<void> {
  await startListener(pod, [15001, 15006], SIDECAR_UID);
  await startListener(pod, [8080], 2000);
}

const reached = async (pod: Pod, address: string): Promise<number | undefined> =>
  (await dial(pod, [`${address}:8080`]))[0]?.answer?.port;

const attackers = [
  { who: 'a container with a network of its own in an enrolled pod', uid: 0, flags: '-n', byCgroup: true },
  { who: 'a user who is root in a namespace of its own', uid: 2000, flags: '-Urn', byCgroup: true },
  {
    who: 'a user who is root in a namespace of its own, where pods are known by their addresses',
    uid: 2000,
    flags: '-Urn',
    byCgroup: false,
  },
] as const;

for (const { who, uid, flags, byCgroup } of attackers) {
  test(`${who} is not taken for the pod whose address it has`, async () => {
    using bed = Bed.create({ subnet: 131 });
    const [victim, host, bystander] = [bed.pod('victim'), bed.pod('host'), bed.pod('bystander')];
    for (const pod of [victim, host]) await listen(pod);
    const cgroupOf = (pod: Pod): { cgroup?: string } => (byCgroup ? { cgroup: pod.cgroupPath } : {});
    await using mesh = await MeshAccelerator.start({
      cgroup: bed.cgroupPath,
      acceleration: 'full',
      events: { perSecond: 1000 },
      pods: [victim, host].map(pod => [pod.address, cgroupOf(pod)] as const),
    });
    const events: ConnectionEvent[] = [];
    mesh.on('connection', event => events.push(event));
    for (const pod of [host, bystander])
      assert.deepEqual(await inner(pod, victim.address, uid, flags), { hello: DIALS }, `in ${pod.name}`);
    // Its own pod's address is no way in either.
    if (flags === '-Urn') assert.deepEqual(await inner(host, host.address, uid, flags), { hello: DIALS });
    assert.equal(mesh.counters().outbound, 0n);
    assert.equal(await reached(victim, host.address), 15001, 'the victim itself is redirected');
    assert.equal(await reached(host, victim.address), 15001, 'and so is the pod in which the attacker is');
    // The last one is told after all that came before.
    await until('the pod in which the attacker is', () => events.some(({ pod }) => pod === host.address));
    assert.deepEqual(
      events.map(({ pod }) => pod),
      [victim.address, host.address],
      'and nothing is told of others',
    );
  });
}

test('a pod is found by its cgroup: by path, by id, by UID as the kubelet names it, and below it', async () => {
  using bed = Bed.create({ subnet: 132 });
  const uids = ['1b671a64-40d5-491e-99b0-da01ff1f3341', '2c782b75-51e6-4a2f-8ac1-eb120f204452'] as const;
  const pods = [
    bed.pod('plain'),
    bed.pod(`kubepods-burstable-pod${uids[0].replaceAll('-', '_')}.slice`),
    bed.pod(`pod${uids[1]}`),
  ] as const;
  for (const pod of pods) await listen(pod);
  const nested = join(pods[0].cgroupPath, 'container');
  mkdirSync(nested);
  await using mesh = await MeshAccelerator.start({
    cgroup: bed.cgroupPath,
    pods: [
      [pods[0].address, { cgroup: pods[0].cgroupPath }],
      [pods[1].address, { cgroup: { podUid: uids[0] } }],
      [pods[2].address, { cgroup: { podUid: uids[1].toUpperCase() } }],
    ],
  });
  const target = '192.0.2.1';
  for (const [index, pod] of pods.entries()) {
    const id = mesh.localPodIps.get(pod.address)?.cgroup;
    assert.ok(id !== undefined && id > 1n, pod.name);
    assert.equal(await reached(pod, target), 15001, pod.name);
    mesh.localPodIps.set(pod.address, { cgroup: mesh.localPodIps.get(pods[(index + 1) % 3]!.address)!.cgroup });
    assert.equal(
      await reached(pod, pods[(index + 1) % 3]!.address),
      8080,
      `${pod.name} is not that pod, whatever was found before`,
    );
    mesh.localPodIps.set(pod.address, { cgroup: id });
    assert.equal(await reached(pod, target), 15001, pod.name);
  }
  const { stdout } = await pods[0].run('sh', [
    '-c',
    `echo $$ > ${nested}/cgroup.procs && exec python3 ${join(__dirname, '..', '..', 'bed', 'apps', 'dial.py')} ${target}:80`,
  ]);
  assert.equal((JSON.parse(stdout) as { answer?: { port: number } }).answer?.port, 15001);
  rmdirSync(nested);

  const made = join(bed.cgroupPath, 'pod3d893c86-62f7-4b30-9bd2-fc2310315563');
  const idOf = (): bigint | undefined =>
    mesh.localPodIps.set('10.9.9.9', { cgroup: { podUid: '3d893c86-62f7-4b30-9bd2-fc2310315563' } }).get('10.9.9.9')
      ?.cgroup;
  const ids = ['first', 'second'].map(() => {
    mkdirSync(made);
    const id = idOf();
    rmdirSync(made);
    assert.equal(idOf(), undefined, 'gone');
    return id;
  });
  assert.ok(ids[0] !== undefined && ids[1] !== undefined && ids[0] !== ids[1], 'made anew under the same name');

  mesh.localPodIps.set(pods[0].address, { cgroup: { podUid: 'ffffffff-ffff-4fff-8fff-ffffffffffff' } });
  assert.equal(mesh.localPodIps.get(pods[0].address)?.cgroup, undefined, 'no such cgroup: known by its address');
  assert.equal(await reached(pods[0], target), 15001);
  for (const cgroup of [
    'relative',
    '',
    0n,
    1n,
    -1n,
    {},
    { podUid: '' },
    { podUid: 'a', path: '/' },
    7,
    null,
  ] as never[])
    assert.throws(() => mesh.localPodIps.set(pods[0].address, { cgroup }), TypeError);
  for (const cgroup of ['/tmp', bed.cgroupPath, dirname(bed.cgroupPath)])
    assert.throws(() => mesh.localPodIps.set(pods[0].address, { cgroup }), { code: 'ERR_BPF_NOT_A_CGROUP' }, cgroup);
  assert.throws(() => mesh.localPodIps.set(pods[0].address, { cgroup: `${bed.cgroupPath}/none` }), {
    code: 'ERR_BPF_NOT_A_CGROUP',
  });
});
