/**
 * The decision, and what both programs see of it, against Istio's own rules in real iptables: the same cases run under
 * these rules alone, under the library alone in each scope, and under both together, and the answers must be the same.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  Bed,
  Dialler,
  SIDECAR_UID,
  WAYS,
  enterMesh,
  startListener,
  type Dialled,
  type Pod,
  type Way,
  type Who,
} from '../../bed';

const OWNER = join(__dirname, '..', '..', 'bed', 'apps', 'owner.py');
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
  'application to another pod, dual-stack': {
    who: APPLICATION,
    destination: (_, other) => `[::ffff:${other}]:8080`,
    reaches: 15001,
  },
  'application to a pod outside the mesh': {
    who: APPLICATION,
    destination: (_own, _other, stranger) => `${stranger}:8080`,
    reaches: 15001,
  },
  'application to a port that nobody listens on': {
    who: APPLICATION,
    destination: (_, other) => `${other}:4444`,
    reaches: 15001,
  },
  'application with a source of its own': {
    who: APPLICATION,
    destination: (own, other) => `${own}=${other}:8080`,
    reaches: 15001,
  },
  'application to its own pod': { who: APPLICATION, destination: own => `${own}:8080`, reaches: 8080 },
  'application to 127.0.0.1': { who: APPLICATION, destination: () => '127.0.0.1:8080', reaches: 8080 },
  'application to another loopback address': { who: APPLICATION, destination: () => '127.3.4.5:8080', reaches: 8080 },
  'sidecar to another pod': { who: SIDECAR, destination: (_, other) => `${other}:8080`, reaches: 15006 },
  'sidecar to another pod, dual-stack': {
    who: SIDECAR,
    destination: (_, other) => `[::ffff:${other}]:8080`,
    reaches: 15006,
  },
  'sidecar to an excluded port of another pod': {
    who: SIDECAR,
    destination: (_, other) => `${other}:15020`,
    reaches: 15020,
  },
  'sidecar to the tunnel port of another pod': {
    who: SIDECAR,
    destination: (_, other) => `${other}:15008`,
    reaches: 15008,
  },
  'sidecar to a pod outside the mesh': {
    who: SIDECAR,
    destination: (_own, _other, stranger) => `${stranger}:8080`,
    reaches: 8080,
  },
  'sidecar to its own application, from the passthrough address': {
    who: SIDECAR,
    destination: own => `127.0.0.6=${own}:8080`,
    reaches: 8080,
  },
  'sidecar to its own pod': { who: SIDECAR, destination: own => `${own}:8080`, reaches: 15006 },
  'sidecar to its own pod, tunnel port': { who: SIDECAR, destination: own => `${own}:15008`, reaches: 15008 },
  'sidecar to 0.0.0.0': { who: SIDECAR, destination: () => '0.0.0.0:8080', reaches: 8080 },
  "sidecar to 0.0.0.0, from its pod's address": {
    who: SIDECAR,
    destination: own => `${own}=0.0.0.0:8080`,
    reaches: 15006,
  },
  'the same, dual-stack': { who: SIDECAR, destination: own => `::ffff:${own}=[::ffff:0.0.0.0]:8080`, reaches: 15006 },
  'sidecar to 0.0.0.0, from the passthrough address': {
    who: SIDECAR,
    destination: () => '127.0.0.6=0.0.0.0:8080',
    reaches: 8080,
  },
  'application out of its pod, from a loopback address': {
    who: APPLICATION,
    destination: (_, other) => `127.0.0.1=${other}:8080`,
    reaches: undefined,
  },
  'sidecar to 127.0.0.1': { who: SIDECAR, destination: () => '127.0.0.1:8080', reaches: 8080 },
  'sidecar to 127.0.0.6, as istio-validation asks': {
    who: SIDECAR,
    destination: () => '127.0.0.6:15002',
    reaches: 15006,
  },
  "sidecar's group to another pod": { who: SIDECAR_GROUP, destination: (_, other) => `${other}:8080`, reaches: 15006 },
  "sidecar's group to a pod outside the mesh": {
    who: SIDECAR_GROUP,
    destination: (_own, _other, stranger) => `${stranger}:8080`,
    reaches: 8080,
  },
  "sidecar's group to its own pod": { who: SIDECAR_GROUP, destination: own => `${own}:8080`, reaches: 8080 },
};

interface Network {
  readonly own: Pod;
  readonly other: Pod;
  readonly stranger: Pod;
  readonly dial: (who: Who, destination: string) => Promise<Dialled>;
  readonly end: () => Promise<string[]>;
}

async function network(way: Way, subnet: number): Promise<Network> {
  const bed = Bed.create({ subnet });
  const own = bed.pod('own');
  const other = bed.pod('other');
  const mesh = await enterMesh(bed, way);
  const stranger = bed.pod('stranger');
  for (const pod of [own, other]) {
    await startListener(pod, [15001, 15006], SIDECAR_UID);
    await startListener(pod, [8080, 15008, 15020], 2000);
  }
  await startListener(stranger, [8080], 2000);
  const diallers = new Map([APPLICATION, SIDECAR, SIDECAR_GROUP].map(who => [who, new Dialler(own, who)]));
  return {
    own,
    other,
    stranger,
    dial: async (who, destination) => (await diallers.get(who)!.dial([destination]))[0]!,
    end: async () => {
      for (const dialler of diallers.values()) dialler[Symbol.dispose]();
      await mesh?.close();
      bed.close();
      return bed.leftovers();
    },
  };
}

/** The same words for all networks: addresses by role, ephemeral ports left out. */
function comparable({ own, other, stranger }: Network, { peer, local, answer, error }: Dialled): object {
  const byRole = (endpoint = ''): string =>
    endpoint.replace(own.address, 'own').replace(other.address, 'other').replace(stranger.address, 'stranger');
  const host = (endpoint = ''): string => byRole(endpoint).replace(/:\d+$/, '');
  // Where nothing was redirected the kernel has no original destination without connection tracking, and no sidecar
  // asks.
  const original = answer && [15001, 15006].includes(answer.port) ? byRole(answer.original) : 'not asked';
  // Of the outbound port the library gives out addresses at random, where REDIRECT has one.
  const accepted = answer?.port === 15001 ? 'its sidecar' : byRole(answer?.local);
  return {
    error,
    reached: answer?.port,
    accepted,
    client: host(answer?.client),
    original,
    peer: byRole(peer),
    local: host(local),
  };
}

const networks = new Map<Way, Network>();

before(async () => {
  for (const [index, way] of WAYS.entries()) networks.set(way, await network(way, 111 + index));
});
after(async () => {
  const left: string[] = [];
  for (const net of networks.values()) left.push(...(await net.end()));
  assert.deepEqual(left, []);
});

for (const [name, { who, destination, reaches }] of Object.entries(cases)) {
  test(`${name}: as under iptables`, async () => {
    const seen = new Map(
      await Promise.all(
        [...networks].map(
          async ([way, net]) =>
            [
              way,
              comparable(
                net,
                await net.dial(who, destination(net.own.address, net.other.address, net.stranger.address)),
              ),
            ] as const,
        ),
      ),
    );
    const expected = seen.get('iptables') as { reached?: number };
    assert.equal(expected.reached, reaches, 'the reference itself is as Istio documents it');
    assert.deepEqual(Object.fromEntries(seen), Object.fromEntries(WAYS.map(way => [way, expected])));
  });
}

/** Who made the socket, and who dials with it: iptables goes by the file of the socket. */
for (const [maker, caller, reaches] of [
  ['0:0', '1337:1337', 15001],
  ['1337:1337', '2000:2000', 15006],
  ['2000:1337', '2000:2000', 15006],
  ['2000:2000', '2000:1337', 15001],
] as const) {
  test(`a socket made by ${maker}, dialled by ${caller}: as under iptables`, async () => {
    const seen = new Map(
      await Promise.all(
        [...networks].map(async ([way, { own, other }]) => {
          const { stdout, stderr } = await own.run('python3', [OWNER, maker, caller, `${other.address}:8080`]);
          const { answer } = JSON.parse(stdout || JSON.stringify({ stderr })) as Dialled;
          return [
            way,
            answer ? [answer.name, answer.port, answer.original.replace(other.address, 'other')] : stdout,
          ] as const;
        }),
      ),
    );
    const expected = [reaches === 15001 ? 'own' : 'other', reaches, 'other:8080'];
    assert.deepEqual(Object.fromEntries(seen), Object.fromEntries(WAYS.map(way => [way, expected])));
  });
}
