import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { MerbridgeError } from '../../src/errors';
import { askedMaps, sizesWithDefaults } from '../../src/mesh/maps/map-sizes';
import { resolveOptions } from '../../src/mesh/mesh-options';
import { meshProfiles, resolveProfile, type MeshProfile } from '../../src/policy';
import { Resources } from '../../src/mesh/resources';

const cgroup = '/sys/fs/cgroup/kubepods';
const MiB = 1 << 20;

describe('options', () => {
  it('have their defaults, but for what a pinned mesh may say instead', () => {
    assert.deepEqual(resolveOptions({ cgroup }), {
      pinDirectory: undefined,
      cgroup,
      profile: meshProfiles.istio,
      acceleration: undefined,
      pods: undefined,
      maxPods: undefined,
      maxRulePorts: undefined,
      maxRuleRanges: undefined,
      maxPodRulePorts: undefined,
      maxPodRuleRanges: undefined,
      maxSockets: undefined,
      backlogLimit: 2 * MiB,
      backlogAccount: 'auto',
      keepAlive: 60,
      ignoreAdvisories: false,
      events: false,
    });
    assert.deepEqual(resolveOptions({ cgroup, maxPods: undefined, profile: undefined }), resolveOptions({ cgroup }));
    assert.deepEqual(sizesWithDefaults(resolveOptions({ cgroup, maxSockets: 2 })), {
      maxPods: 16384,
      maxSockets: 2,
      maxRulePorts: 131072,
      maxRuleRanges: 262144,
    });
    assert.deepEqual([...askedMaps(resolveOptions({ cgroup, maxPods: 7 }))], ['local_pod_ips', 'pod_rules']);
  });

  it('are taken as they are', () => {
    const given = {
      cgroup,
      acceleration: 'full',
      pods: ['10.0.0.7'],
      maxPods: 1,
      maxRulePorts: 3,
      maxRuleRanges: 4,
      maxPodRulePorts: 5,
      maxPodRuleRanges: 6,
      maxSockets: 2,
      backlogLimit: 1024 * MiB,
      backlogAccount: 'programs',
      keepAlive: 1,
      ignoreAdvisories: ['CVE-2025-38154', 'FIONREAD'],
      events: { perSecond: 10, dropped: 20 },
      pinDirectory: '/sys/fs/bpf/mesh/',
    } as const;
    assert.deepEqual(resolveOptions(given), {
      ...given,
      profile: meshProfiles.istio,
      pinDirectory: '/sys/fs/bpf/mesh',
    });
  });

  const wrong: ReadonlyArray<[object, typeof TypeError | typeof RangeError, RegExp]> = [
    [{ cgruop: cgroup }, TypeError, /unknown option 'cgruop'/],
    [{ cgroup: '' }, TypeError, /cgroup/],
    [{ cgroup: 7 }, TypeError, /cgroup/],
    [{ acceleration: 'FULL' }, TypeError, /'FULL'/],
    [{ pods: '10.0.0.7' }, TypeError, /pods must be a list/],
    [{ pods: null }, TypeError, /pods must be a list/],
    [{ pods: { '10.0.0.7': {} } }, TypeError, /pods must be a list/],
    [{ acceleration: 'constructor' }, TypeError, /acceleration/],
    [{ acceleration: null }, TypeError, /acceleration/],
    [{ acceleration: 3 }, TypeError, /acceleration/],
    [{ maxPods: 0 }, RangeError, /maxPods/],
    [{ maxPods: '5' }, TypeError, /maxPods/],
    [{ maxPods: NaN }, RangeError, /maxPods/],
    [{ maxPods: 2 ** 31 }, RangeError, /maxPods/],
    [{ maxRulePorts: 0 }, RangeError, /maxRulePorts/],
    [{ maxRuleRanges: 0.5 }, RangeError, /maxRuleRanges/],
    [{ maxPodRulePorts: 0 }, RangeError, /maxPodRulePorts/],
    [{ maxPodRuleRanges: '9' }, TypeError, /maxPodRuleRanges/],
    [{ maxSockets: 1 }, RangeError, /maxSockets/],
    [{ backlogAccount: 'kernel' }, TypeError, /backlogAccount/],
    [{ backlogLimit: MiB - 1 }, RangeError, /backlogLimit/],
    [{ backlogLimit: 1024 * MiB + 1 }, RangeError, /backlogLimit/],
    [{ keepAlive: -1 }, RangeError, /keepAlive must be an integer from 0 to 32767, not -1/],
    [{ keepAlive: 0.5 }, RangeError, /keepAlive/],
    [{ ignoreAdvisories: 'CVE-2025-38154' }, TypeError, /ignoreAdvisories/],
    [{ ignoreAdvisories: ['CVE-2025'] }, TypeError, /'CVE-2025' is neither/],
    [{ ignoreAdvisories: ['FIONREAD2'] }, TypeError, /'FIONREAD2' is neither a CVE number nor FIONREAD/],
    [{ events: 'all' }, TypeError, /true, false or an object/],
    [{ events: { perSecond: 0 } }, RangeError, /perSecond must be an integer from 1/],
    [{ events: { everything: true } }, TypeError, /unknown kind 'everything'/],
    [{ ignoreAdvisories: [38154] }, TypeError, /'38154' is neither/],
    [{ profile: 'linkerd2' }, TypeError, /no mesh profile named 'linkerd2'/],
    [{ profile: '__proto__' }, TypeError, /no mesh profile/],
  ];
  for (const [options, type, message] of wrong) {
    it(`refuse ${JSON.stringify(options)}`, () => {
      assert.throws(
        () => resolveOptions({ cgroup, ...options }),
        (error: unknown) => error instanceof type && message.test(error.message),
      );
    });
  }

  it('must be there', () => {
    assert.throws(() => resolveOptions(undefined as unknown as { cgroup: string }), TypeError);
    assert.throws(() => resolveOptions({} as { cgroup: string }), TypeError);
  });
});

describe('profile', () => {
  const own = (change: object): MeshProfile => ({ ...meshProfiles.istio, name: 'own', ...change });

  it('is found by name, and cannot be changed', () => {
    assert.equal(resolveProfile('istio'), meshProfiles.istio);
    assert.throws(() => {
      (meshProfiles.istio as { inboundPort: number }).inboundPort = 1;
    }, TypeError);
    assert.throws(() => {
      (meshProfiles.istio.excludedInboundPorts as number[]).push(1);
    }, TypeError);
  });

  it('may be one of the caller, up to every bound', () => {
    for (const change of [
      { outboundPort: 1, inboundPort: 65535 },
      { sidecarUid: 0, sidecarGid: 0xffffffff },
      { excludedInboundPorts: [] },
      { excludedInboundPorts: Array.from({ length: 16 }, (_, i) => 15020 + i) },
      { passthroughAddress: '127.255.255.254' },
      { passthroughAddress: undefined },
      { tunnelPort: undefined },
    ])
      assert.deepEqual(resolveProfile(own(change)), own(change));
  });

  it('has every member, by its name: one that is misspelt does not mean that the mesh has none', () => {
    const { passthroughAddress: address, ...without } = own({});
    const { tunnelPort: port, ...noTunnel } = own({});
    for (const [profile, message] of [
      [without, /^profile: passthroughAddress is missing; undefined says that the mesh has none$/],
      [noTunnel, /^profile: tunnelPort is missing/],
      [{ ...without, passthroughAdress: address }, /^profile: unknown property 'passthroughAdress'$/],
      [{ ...noTunnel, tunnelport: port }, /^profile: unknown property 'tunnelport'$/],
      [own({ excludedInboundPorts: 1 }), /^profile: excludedInboundPorts must be an array of ports, not 1$/],
      [null, /^profile: must be the name of a profile or a profile, not null$/],
    ] as const)
      assert.throws(() => resolveProfile(profile as MeshProfile), { name: 'TypeError', message });
  });

  const wrong: ReadonlyArray<[object, (error: unknown) => boolean]> = [
    [{ outboundPort: 0 }, error => error instanceof RangeError],
    [{ inboundPort: 65536 }, error => error instanceof RangeError],
    [
      { tunnelPort: 1.5 },
      error =>
        error instanceof RangeError &&
        error.message === 'profile: tunnelPort must be an integer from 1 to 65535, not 1.5',
    ],
    [{ tunnelPort: 0 }, error => error instanceof RangeError],
    [{ outboundPort: '15001' }, error => error instanceof TypeError],
    [{ outboundPort: 15006 }, error => error instanceof RangeError],
    [{ sidecarUid: -1 }, error => error instanceof RangeError],
    [{ sidecarGid: 2 ** 32 }, error => error instanceof RangeError],
    [{ sidecarUid: undefined }, error => error instanceof TypeError],
    [{ excludedInboundPorts: Array.from({ length: 17 }, (_, i) => i + 1) }, error => error instanceof RangeError],
    [{ excludedInboundPorts: [0] }, error => error instanceof RangeError],
    [{ excludedInboundPorts: undefined }, error => error instanceof TypeError],
    [{ passthroughAddress: '10.0.0.6' }, error => error instanceof TypeError],
    [{ passthroughAddress: '::1' }, error => error instanceof TypeError],
    [{ passthroughAddress: '127.0.0' }, error => error instanceof TypeError],
    [
      { passthroughAddress: '127.0.0.256' },
      error => error instanceof MerbridgeError && error.code === 'ERR_BPF_INVALID_ADDRESS',
    ],
    [{ passthroughAddress: null }, error => error instanceof TypeError],
    [{ tunnelPort: null }, error => error instanceof TypeError],
  ];
  for (const [change, expected] of wrong) {
    it(`refuses ${JSON.stringify(change, (_, value: unknown) => (value === undefined ? 'undefined' : value))}`, () => {
      assert.throws(() => resolveProfile(own(change)), expected);
    });
  }
});

describe('resources', () => {
  const resource = (closed: string[], name: string, fails = false): Disposable => ({
    [Symbol.dispose]() {
      closed.push(name);
      if (fails) throw new Error(name);
    },
  });

  it('are closed the last first, once, also if one fails', () => {
    const closed: string[] = [];
    const resources = new Resources();
    for (const [name, fails] of [['a'], ['b', true], ['c', true], ['d']] as Array<[string, boolean?]>)
      resources.use(resource(closed, name, fails));
    assert.throws(() => resources[Symbol.dispose](), /^Error: c$/, 'the first failure is the one that is told');
    assert.deepEqual(closed, ['d', 'c', 'b', 'a']);
    resources[Symbol.dispose]();
    assert.equal(closed.length, 4);
  });
});
