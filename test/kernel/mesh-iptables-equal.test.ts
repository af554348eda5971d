/**
 * The decision, and what both programs see of it, against Istio's own rules in real iptables: the same cases run under both, and the
 * answers must be the same.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Bed, SIDECAR_UID, dial, enterMesh, startListener, type Dialled, type Mode, type Pod, type Who } from '../bed';

const APPLICATION: Who = {};
const SIDECAR: Who = { uid: SIDECAR_UID };
const SIDECAR_GROUP: Who = { uid: 3000, gid: SIDECAR_UID };

interface Case {
  readonly who: Who;
  readonly destination: (own: string, other: string, stranger: string) => string;
  /** Port whose listener must answer; undefined if connect(2) fails. */
  readonly reaches: number | undefined;
}

const cases: Readonly<Record<string, Case>> = {
  'application to another pod': { who: APPLICATION, destination: (_, other) => `${other}:8080`, reaches: 15001 },
  'application to another pod, dual-stack': { who: APPLICATION, destination: (_, other) => `[::ffff:${other}]:8080`, reaches: 15001 },
  'application to a pod outside the mesh': { who: APPLICATION, destination: (_own, _other, stranger) => `${stranger}:8080`, reaches: 15001 },
  'application to a port that nobody listens on': { who: APPLICATION, destination: (_, other) => `${other}:4444`, reaches: 15001 },
  'application with a source of its own': { who: APPLICATION, destination: (own, other) => `${own}=${other}:8080`, reaches: 15001 },
  'application to its own pod': { who: APPLICATION, destination: own => `${own}:8080`, reaches: 8080 },
  'application to 127.0.0.1': { who: APPLICATION, destination: () => '127.0.0.1:8080', reaches: 8080 },
  'application to another loopback address': { who: APPLICATION, destination: () => '127.3.4.5:8080', reaches: 8080 },
  'sidecar to another pod': { who: SIDECAR, destination: (_, other) => `${other}:8080`, reaches: 15006 },
  'sidecar to another pod, dual-stack': { who: SIDECAR, destination: (_, other) => `[::ffff:${other}]:8080`, reaches: 15006 },
  'sidecar to an excluded port of another pod': { who: SIDECAR, destination: (_, other) => `${other}:15020`, reaches: 15020 },
  'sidecar to the tunnel port of another pod': { who: SIDECAR, destination: (_, other) => `${other}:15008`, reaches: 15008 },
  'sidecar to a pod outside the mesh': { who: SIDECAR, destination: (_own, _other, stranger) => `${stranger}:8080`, reaches: 8080 },
  'sidecar to its own application, from the passthrough address': { who: SIDECAR, destination: own => `127.0.0.6=${own}:8080`, reaches: 8080 },
  'sidecar to its own pod': { who: SIDECAR, destination: own => `${own}:8080`, reaches: 15006 },
  'sidecar to its own pod, tunnel port': { who: SIDECAR, destination: own => `${own}:15008`, reaches: 15008 },
  'sidecar to 0.0.0.0': { who: SIDECAR, destination: () => '0.0.0.0:8080', reaches: 8080 },
  "sidecar to 0.0.0.0, from its pod's address": { who: SIDECAR, destination: own => `${own}=0.0.0.0:8080`, reaches: 15006 },
  "the same, dual-stack": { who: SIDECAR, destination: own => `::ffff:${own}=[::ffff:0.0.0.0]:8080`, reaches: 15006 },
  'sidecar to 0.0.0.0, from the passthrough address': { who: SIDECAR, destination: () => '127.0.0.6=0.0.0.0:8080', reaches: 8080 },
  'application out of its pod, from a loopback address': { who: APPLICATION, destination: (_, other) => `127.0.0.1=${other}:8080`, reaches: undefined },
  'sidecar to 127.0.0.1': { who: SIDECAR, destination: () => '127.0.0.1:8080', reaches: 8080 },
  'sidecar to 127.0.0.6, as istio-validation asks': { who: SIDECAR, destination: () => '127.0.0.6:15002', reaches: 15006 },
  "sidecar's group to another pod": { who: SIDECAR_GROUP, destination: (_, other) => `${other}:8080`, reaches: 15006 },
  "sidecar's group to a pod outside the mesh": { who: SIDECAR_GROUP, destination: (_own, _other, stranger) => `${stranger}:8080`, reaches: 8080 },
  "sidecar's group to its own pod": { who: SIDECAR_GROUP, destination: own => `${own}:8080`, reaches: 8080 },
};

interface Network {
  readonly bed: Bed;
  readonly own: Pod;
  readonly other: Pod;
  readonly stranger: Pod;
  readonly end: () => Promise<void>;
}

async function network(mode: Mode, subnet: number): Promise<Network> {
  const bed = Bed.create({ subnet });
  const own = bed.pod('own');
  const other = bed.pod('other');
  const mesh = await enterMesh(bed, mode);
  const stranger = bed.pod('stranger');
  for (const pod of [own, other]) {
    await startListener(pod, [15001, 15006], SIDECAR_UID);
    await startListener(pod, [8080, 15008, 15020], 2000);
  }
  await startListener(stranger, [8080], 2000);
  return { bed, own, other, stranger, end: async () => { await mesh?.close(); bed.close(); assert.deepEqual(bed.leftovers(), []); } };
}

/** The same words for both networks: addresses by role, ephemeral ports left out. */
function comparable({ own, other, stranger }: Network, { peer, local, answer, error }: Dialled): object {
  const byRole = (endpoint = ''): string => endpoint
    .replace(own.address, 'own').replace(other.address, 'other').replace(stranger.address, 'stranger');
  const host = (endpoint = ''): string => byRole(endpoint).replace(/:\d+$/, '');
  // Where nothing was redirected the kernel has no original destination without connection tracking, and no sidecar asks.
  const original = answer && [15001, 15006].includes(answer.port) ? byRole(answer.original) : 'not asked';
  return { error, reached: answer?.port, client: host(answer?.client), original, peer: byRole(peer), local: host(local) };
}

let reference: Network;
let accelerated: Network;

before(async () => {
  reference = await network('iptables', 11);
  accelerated = await network('full', 12);
});
after(async () => {
  await accelerated?.end();
  await reference?.end();
});

for (const [name, { who, destination, reaches }] of Object.entries(cases)) {
  test(`${name}: as under iptables`, async () => {
    const [expected, actual] = await Promise.all([reference, accelerated].map(async net => {
      const [result] = await dial(net.own, [destination(net.own.address, net.other.address, net.stranger.address)], who);
      return comparable(net, result!);
    }));
    assert.deepEqual(actual, expected);
    assert.equal((expected as { reached?: number }).reached, reaches, 'the reference itself is as Istio documents it');
  });
}
