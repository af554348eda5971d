/**
 * A mesh without a tunnel port and without a passthrough address: decided as by Istio's real iptables rules with those
 * two taken out.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MeshAccelerator, meshProfiles, type MeshProfile } from 'merbridge';
import {
  Bed,
  Dialler,
  MODES,
  SIDECAR_UID,
  applyIstioRules,
  startListener,
  type Dialled,
  type Mode,
  type Who,
} from '../../bed';

const { tunnelPort: TUNNEL_PORT, passthroughAddress: PASSTHROUGH } = meshProfiles.istio;
const PROFILE: MeshProfile = {
  ...meshProfiles.istio,
  name: 'without tunnel and passthrough',
  tunnelPort: undefined,
  passthroughAddress: undefined,
};

const APPLICATION: Who = {};
const SIDECAR: Who = { uid: SIDECAR_UID };

/** What dials, where to, and the port whose listener must answer. */
const cases: Readonly<
  Record<string, readonly [who: Who, to: (own: string, other: string) => string, reaches: number]>
> = {
  'application to another pod': [APPLICATION, (_, other) => `${other}:8080`, 15001],
  'application to its own pod': [APPLICATION, own => `${own}:8080`, 8080],
  'application to its own pod, from 127.0.0.6': [APPLICATION, own => `${PASSTHROUGH}=${own}:8080`, 8080],
  'sidecar to another pod': [SIDECAR, (_, other) => `${other}:8080`, 15006],
  'sidecar to an excluded port of another pod': [SIDECAR, (_, other) => `${other}:15020`, 15020],
  'sidecar to the port of another pod that is the tunnel of Istio': [
    SIDECAR,
    (_, other) => `${other}:${TUNNEL_PORT}`,
    15006,
  ],
  'sidecar to that port of its own pod': [SIDECAR, own => `${own}:${TUNNEL_PORT}`, 15006],
  'sidecar to its own pod': [SIDECAR, own => `${own}:8080`, 15006],
  'sidecar to its own pod, from 127.0.0.6': [SIDECAR, own => `${PASSTHROUGH}=${own}:8080`, 15006],
  'sidecar to 127.0.0.1, from 127.0.0.6': [SIDECAR, () => `${PASSTHROUGH}=127.0.0.1:8080`, 8080],
};

interface Network {
  readonly dial: (who: Who, to: (own: string, other: string) => string) => Promise<Dialled>;
  readonly byRole: (endpoint: string) => string;
  readonly end: () => Promise<string[]>;
}

async function network(mode: Mode, subnet: number): Promise<Network> {
  const bed = Bed.create({ subnet });
  const [own, other] = [bed.pod('own'), bed.pod('other')];
  if (mode === 'iptables') for (const pod of bed.pods) applyIstioRules(pod, { tunnel: false, fromPassthrough: false });
  const mesh =
    mode === 'iptables'
      ? undefined
      : await MeshAccelerator.start({
          profile: PROFILE,
          cgroup: bed.cgroupPath,
          acceleration: mode,
          pods: bed.pods.map(({ address }) => address),
        });
  for (const pod of [own, other]) {
    await startListener(pod, [15001, 15006], SIDECAR_UID);
    await startListener(pod, [8080, TUNNEL_PORT, 15020], 2000);
  }
  const diallers = new Map([APPLICATION, SIDECAR].map(who => [who, new Dialler(own, who)]));
  return {
    dial: async (who, to) => (await diallers.get(who)!.dial([to(own.address, other.address)]))[0]!,
    byRole: endpoint => endpoint.replace(own.address, 'own').replace(other.address, 'other'),
    end: async () => {
      for (const dialler of diallers.values()) dialler[Symbol.dispose]();
      await mesh?.close();
      bed.close();
      return bed.leftovers();
    },
  };
}

const networks = new Map<Mode, Network>();

before(async () => {
  for (const [index, mode] of MODES.entries()) networks.set(mode, await network(mode, 171 + index));
});
after(async () => {
  const left: string[] = [];
  for (const net of networks.values()) left.push(...(await net.end()));
  assert.deepEqual(left, []);
});

for (const [name, [who, to, reaches]] of Object.entries(cases)) {
  test(`${name}: as under iptables`, async () => {
    for (const [mode, { dial, byRole }] of networks) {
      const { answer, error } = await dial(who, to);
      assert.equal(error, undefined, mode);
      const original = answer && answer.port !== 8080 && answer.port !== 15020 ? byRole(answer.original) : undefined;
      const wanted = reaches === 8080 || reaches === 15020 ? undefined : to('own', 'other').replace(/^.*=/, '');
      assert.deepEqual([mode, answer?.port, original], [mode, reaches, wanted]);
    }
  });
}

/** Not as under iptables, where it goes on until the sidecar has no descriptor left. */
test('a sidecar that connects to the inbound port of its own pod is refused, whatever its source address', async () => {
  for (const [mode, { dial }] of networks) {
    for (const source of ['', `${PASSTHROUGH}=`]) {
      const { error } = await dial(SIDECAR, own => `${source}${own}:15006`);
      const expected = mode === 'iptables' ? undefined : 'Operation not permitted';
      assert.equal(error, expected, `${mode} ${source}`);
    }
  }
});
