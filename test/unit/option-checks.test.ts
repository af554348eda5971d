/** What every entry says of an option that makes no sense: the same words, and whose option it is. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { KubernetesPods, PodController, StaticPods } from '../../src/kubernetes';
import { detachAll, diagnose } from '../../src/mesh';
import { resolveEvents } from '../../src/mesh/events/event-options';
import { resolveOptions } from '../../src/mesh/mesh-options';
import { registerMeshMetrics } from '../../src/metrics';
import { meshProfiles, resolvePodOptions, resolveProfile, ruleSetOf } from '../../src/policy';

/** Takes anything, as a caller in JavaScript would pass it. */
const given = (options: object): never => options as never;
const cgroup = '/sys/fs/cgroup/kubepods';
const server = { url: 'https://127.0.0.1:1' };
const source = new StaticPods();
const attach = (): never => {
  throw new Error('not reached');
};

describe('an option that there is not', () => {
  const entries: Readonly<Record<string, () => unknown>> = {
    "MeshAccelerator: unknown option 'typo'": () => resolveOptions(given({ cgroup, typo: 1 })),
    "detachAll: unknown option 'typo'": () => detachAll(given({ pinDirectory: '/sys/fs/bpf/x', typo: 1 })),
    "diagnose: unknown option 'typo'": () => diagnose(given({ typo: 1 })),
    "pod options: unknown option 'typo'": () => resolvePodOptions(given({ typo: 1 })),
    "rules: unknown property 'typo'": () => ruleSetOf(given({ typo: 1 })),
    "PodController: unknown option 'typo'": () => new PodController(given({ source, attach, typo: 1 })),
    "KubernetesPods: unknown option 'typo'": () => new KubernetesPods(given({ nodeName: 'n', server, typo: 1 })),
    "KubernetesPods: retry: unknown option 'typo'": () =>
      new KubernetesPods(given({ nodeName: 'n', server, retry: { typo: 1 } })),
    "registerMeshMetrics: unknown option 'typo'": () => registerMeshMetrics(given({ typo: 1 })),
  };
  for (const [message, call] of Object.entries(entries))
    it(message, () => assert.rejects(async () => call(), { name: 'TypeError', message }));

  it('is shown without what could upset a terminal', () => {
    assert.throws(
      () => resolvePodOptions(given({ 'a\u001b[2Jb': 1 })),
      (error: Error) => {
        assert.ok(!error.message.includes('\u001b'), JSON.stringify(error.message));
        return error instanceof TypeError;
      },
    );
  });
});

describe('a number out of range', () => {
  const entries: Readonly<Record<string, () => unknown>> = {
    'MeshAccelerator: maxPods must be an integer from 1 to 2147483647, not 0': () =>
      resolveOptions({ cgroup, maxPods: 0 }),
    'MeshAccelerator: maxSockets must be an integer from 2 to 2147483647, not 1': () =>
      resolveOptions({ cgroup, maxSockets: 1 }),
    'MeshAccelerator: keepAlive must be an integer from 0 to 32767, not 0.5': () =>
      resolveOptions({ cgroup, keepAlive: 0.5 }),
    'profile: inboundPort must be an integer from 1 to 65535, not 65536': () =>
      resolveProfile({ ...meshProfiles.istio, inboundPort: 65_536 }),
    'events: perSecond must be an integer from 1 to 1000000, not 0': () => resolveEvents({ perSecond: 0 }),
    'PodController: resyncSeconds must be from 0 to 86400, not -1': () =>
      new PodController({ source, attach, resyncSeconds: -1 }),
    'KubernetesPods: watchSeconds must be from 1 to 3600, not 0': () =>
      new KubernetesPods({ nodeName: 'n', server, watchSeconds: 0 }),
    'KubernetesPods: retry.maxMs must be an integer from 1 to 3600000, not 0': () =>
      new KubernetesPods({ nodeName: 'n', server, retry: { maxMs: 0 } }),
  };
  for (const [message, call] of Object.entries(entries))
    it(message, () => assert.throws(call, { name: 'RangeError', message }));
});
