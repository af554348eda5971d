import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessTo } from '../../src/kubernetes/api/api-access';
import {
  inClusterServer,
  istioSidecar,
  KubernetesError,
  KubernetesPods,
  type KubernetesPod,
} from '../../src/kubernetes';
import { Backoff } from '../../src/kubernetes/api/backoff';
import { readPod } from '../../src/kubernetes/sources/read-pod';
import { lines } from '../../src/kubernetes/api/watch-lines';
import { podOf, statusOf, type PodShape } from '../kube/pod-client';

function pod(shape: Partial<PodShape> = {}, change: (pod: any) => void = () => undefined): KubernetesPod {
  const whole = { name: 'cart', namespace: 'shop', node: 'worker', ips: ['10.0.0.1'], ...shape };
  const made = { ...podOf(whole), status: statusOf(whole) } as any;
  Object.assign(made.metadata, { uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' });
  change(made);
  return made as KubernetesPod;
}

const read = (value: KubernetesPod): ReturnType<typeof readPod> =>
  readPod(value, istioSidecar, name => name.startsWith('traffic.'));

test('a sidecar is recognised as Istio does it', () => {
  const cases: [string, boolean, KubernetesPod][] = [
    ['injected', true, pod()],
    ['native sidecar', true, pod({ sidecar: 'native' })],
    ['not injected', false, pod({ sidecar: false })],
    [
      'a container of that name without the mark of the injector',
      false,
      pod({}, p => {
        delete p.metadata.annotations['sidecar.istio.io/status'];
      }),
    ],
    [
      'the mark without the container',
      false,
      pod({}, p => {
        p.spec.containers.pop();
      }),
    ],
    [
      'an init container that is no sidecar',
      false,
      pod({ sidecar: 'native' }, p => {
        delete p.spec.initContainers[0].restartPolicy;
      }),
    ],
    [
      'a gateway',
      false,
      pod({}, p => {
        p.spec.containers[1].args = ['proxy', 'router'];
      }),
    ],
    [
      'without arguments',
      true,
      pod({}, p => {
        delete p.spec.containers[1].args;
      }),
    ],
    [
      'switched off',
      false,
      pod({}, p => {
        p.spec.containers[1].env = [{ name: 'DISABLE_ENVOY', value: 'true' }];
      }),
    ],
    [
      'excluded by label',
      false,
      pod({}, p => {
        p.metadata.labels = { 'sidecar.istio.io/inject': 'false' };
      }),
    ],
    ['excluded by annotation', false, pod({ annotations: { 'sidecar.istio.io/inject': 'false' } })],
    [
      'the label counts more',
      true,
      pod({ annotations: { 'sidecar.istio.io/inject': 'false' } }, p => {
        p.metadata.labels = { 'sidecar.istio.io/inject': 'true' };
      }),
    ],
    ['REDIRECT', true, pod({ annotations: { 'sidecar.istio.io/interceptionMode': 'REDIRECT' } })],
    ['TPROXY', false, pod({ annotations: { 'sidecar.istio.io/interceptionMode': 'TPROXY' } })],
    ['NONE', false, pod({ annotations: { 'sidecar.istio.io/interceptionMode': 'NONE' } })],
    [
      'NONE by the environment',
      false,
      pod({}, p => {
        p.spec.containers[1].env = [{ name: 'ISTIO_META_INTERCEPTION_MODE', value: 'NONE' }];
      }),
    ],
    [
      'an environment from elsewhere',
      true,
      pod({}, p => {
        p.spec.containers[1].env = [{ name: 'POD_NAME', valueFrom: {} }];
      }),
    ],
    ['nothing but names', false, { metadata: { name: 'a', namespace: 'b', uid: 'c', resourceVersion: '1' } }],
  ];
  for (const [what, expected, value] of cases) assert.equal(istioSidecar(value), expected, what);
});

test('which pods are enrolled, where and how', () => {
  assert.deepEqual(
    read(pod({ annotations: { 'traffic.sidecar.istio.io/excludeInboundPorts': '80', other: 'long' } })),
    {
      pod: {
        name: 'shop/cart',
        addresses: ['10.0.0.1'],
        options: { acceleration: 'inherit', cgroup: { podUid: 'u' } },
        annotations: { 'traffic.sidecar.istio.io/excludeInboundPorts': '80' },
        rank: Date.parse('2026-01-01T00:00:00Z') + 1,
      },
      problems: [],
      ipv6: 0,
    },
  );
  for (const phase of ['Pending', 'Running', 'Unknown']) assert.ok(read(pod({ phase })).pod, phase);
  for (const phase of ['Succeeded', 'Failed']) assert.equal(read(pod({ phase })).pod, undefined, phase);
  assert.equal(read(pod({ hostNetwork: true })).pod, undefined);
  assert.equal(read(pod({ ips: [] })).pod, undefined);
  assert.ok(
    read(
      pod({}, p => {
        p.metadata.deletionTimestamp = '2026-01-01T00:01:00Z';
      }),
    ).pod,
    'it still serves',
  );
  const dual = read(pod({ ips: ['fd00::1', '10.0.0.1', '10.0.0.2'] }));
  assert.deepEqual([dual.pod?.addresses, dual.ipv6], [['10.0.0.1', '10.0.0.2'], 1]);
  const old = read(
    pod({}, p => {
      delete p.status.podIPs;
    }),
  );
  assert.deepEqual(old.pod?.addresses, ['10.0.0.1'], 'a server that has podIP only');
  assert.equal(read(pod({ ips: ['fd00::1'] })).ipv6, 1);
});

test('the scope of a pod', () => {
  const scope = (value: string): unknown =>
    read(pod({ annotations: { 'merbridge.io/acceleration': value } })).pod?.options.acceleration;
  for (const value of ['off', 'proxies', 'full', 'inherit']) assert.equal(scope(value), value);
  assert.equal(scope(' full '), 'full');
  assert.equal(scope('fast'), 'inherit');
  const { problems } = read(pod({ annotations: { 'merbridge.io/acceleration': 'fast' } }));
  assert.deepEqual(problems, [
    {
      name: 'merbridge.io/acceleration',
      position: 1,
      entry: 'fast',
      reason: 'must be one of off, proxies, full, inherit',
    },
  ]);
});

test('of two pods with an address the later one is preferred, then the one that is not deleted', () => {
  const rank = (change: (pod: any) => void): number => read(pod({}, change)).pod!.rank!;
  assert.ok(
    rank(p => {
      p.status.startTime = '2026-01-02T00:00:00Z';
    }) > rank(() => undefined),
  );
  assert.ok(
    rank(() => undefined) >
      rank(p => {
        p.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
      }),
  );
  assert.equal(
    rank(p => {
      p.metadata.creationTimestamp = 'nonsense';
    }),
    1,
  );
});

test('lines, whatever the pieces', async () => {
  const text = '{"a":"größe €"}\n\n{"b":"😀"}\r\n{"c":1}\n';
  const bytes = Buffer.from(text);
  for (let size = 1; size <= bytes.length; size++) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    const found: unknown[] = [];
    for await (const line of lines(stream(pieces), 1000)) found.push(JSON.parse(line));
    assert.deepEqual(found, [{ a: 'größe €' }, { b: '😀' }, { c: 1 }]);
  }
  const all = async (pieces: Buffer[], max: number): Promise<string[]> => {
    const found: string[] = [];
    for await (const line of lines(stream(pieces), max)) found.push(line);
    return found;
  };
  await assert.rejects(all([Buffer.from('{"a":1}\n{"b"')], 100), code('ERR_KUBERNETES_UNAVAILABLE'));
  await assert.rejects(all([Buffer.from('x'.repeat(101))], 100), code('ERR_KUBERNETES_PROTOCOL'));
  await assert.rejects(all([Buffer.from(`${'x'.repeat(101)}\n`)], 100), code('ERR_KUBERNETES_PROTOCOL'));
});

async function* stream(pieces: readonly Buffer[]): AsyncGenerator<Buffer, void> {
  for (const piece of pieces) yield await Promise.resolve(piece);
}

test('the pause doubles up to its bound, and is never the same for all', () => {
  const backoff = new Backoff(100, 1000);
  for (const step of [100, 200, 400, 800, 1000, 1000]) {
    const pause = backoff.next();
    assert.ok(pause >= step / 2 && pause <= step, `${pause} of ${step}`);
  }
  backoff.reset();
  assert.ok(backoff.next() <= 100);
});

test('node and server have to be known', () => {
  const { NODE_NAME: before } = process.env;
  delete process.env.NODE_NAME;
  try {
    const server = { url: 'https://127.0.0.1:1' };
    assert.throws(
      () => new KubernetesPods({ server }),
      (error: KubernetesError) => error.code === 'ERR_KUBERNETES_CONFIG' && /NODE_NAME/.test(error.message),
    );
    process.env.NODE_NAME = 'worker-9';
    assert.equal(new KubernetesPods({ server }).nodeName, 'worker-9');
    assert.throws(() => new KubernetesPods({ server: { url: 'http://127.0.0.1' } }), TypeError);
    assert.throws(() => new KubernetesPods({ server: { url: 'nowhere' } }), TypeError);
    assert.throws(() => new KubernetesPods({ server, watchSeconds: 0 }), RangeError);
    assert.throws(() => new KubernetesPods({ server, retry: { maxMs: 0.5 } }), RangeError);
    assert.throws(() => new KubernetesPods({ server, node: 'x' } as never), /unknown option 'node'/);
    assert.throws(
      () =>
        new KubernetesPods({
          kubeConfig: { getCurrentCluster: () => null, applyToHTTPSOptions: () => Promise.resolve() },
        }),
      code('ERR_KUBERNETES_CONFIG'),
    );
  } finally {
    if (before === undefined) delete process.env.NODE_NAME;
    else process.env.NODE_NAME = before;
  }
  assert.throws(() => inClusterServer({}), code('ERR_KUBERNETES_CONFIG'));
  assert.equal(
    inClusterServer({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }).url,
    'https://[fd00::1]:443',
  );
});

test('credentials that cannot be read name their file', async () => {
  const access = accessTo({ url: 'https://127.0.0.1', tokenFile: '/nowhere/token' });
  await assert.rejects(
    access(),
    (error: KubernetesError) => error.code === 'ERR_KUBERNETES_CONFIG' && error.message.includes('/nowhere/token'),
  );
});

function code(expected: string): (error: KubernetesError) => boolean {
  return error => error instanceof KubernetesError && error.code === expected;
}
