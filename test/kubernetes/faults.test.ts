/** What API servers do on bad days, on the local server: the pods stay, the fault is named, and it goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { PodRefusedError, type KubernetesError } from '../../src/kubernetes';
import { line, type LocalServer } from '../kube/local-server';
import { podOf } from '../kube/pod-client';
import { scene } from '../kube/scene';
import { until } from '../kube/until';

const codes = (errors: readonly KubernetesError[]): string[] => errors.map(({ code }) => code);

/** Turns of the event loop, in each of which both ends of a connection of this process read what has come. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await setTimeout(1);
}

test('asks for the pods of its node only, once, and then watches', () =>
  scene(async ({ server, client, create, shows }) => {
    await create('a');
    await client.create({ name: 'elsewhere', node: 'other', ips: ['10.3.1.1'] });
    await create('b');
    await shows('a', 'b');
    const [list, watch, ...others] = server.requests;
    assert.equal(list?.searchParams.get('fieldSelector'), 'spec.nodeName=worker');
    assert.equal(list.searchParams.get('resourceVersion'), '0', 'what the server has in its cache will do');
    assert.equal(watch?.searchParams.get('fieldSelector'), 'spec.nodeName=worker');
    assert.equal(watch.searchParams.get('allowWatchBookmarks'), 'true');
    assert.equal(others.length, 0);
  }));

test('goes on after a cut from the last version, that of a bookmark included, without a list', () =>
  scene(async ({ server, create, shows, disconnects }) => {
    await create('a');
    await shows('a');
    for (let i = 0; i < 20; i++)
      server.store.create('far', { metadata: { name: `p${i}` }, spec: { nodeName: 'other' } });
    server.bookmark();
    const { version } = server.store;
    await turns(50); // so that the bookmark has arrived, however long each of them takes
    server.store.compact(); // without the bookmark, the version would be too old
    await server.cut();
    await create('b');
    await shows('a', 'b');
    const lists = server.requests.filter(({ searchParams }) => searchParams.get('watch') === null);
    assert.equal(lists.length, 1);
    assert.equal(server.requests.at(-1)?.searchParams.get('resourceVersion'), String(version));
    assert.ok(disconnects.length >= 1);
    assert.equal((disconnects[0]!.reason as KubernetesError).code, 'ERR_KUBERNETES_UNAVAILABLE');
  }));

for (const [how, gone] of [
  [
    'as the status of a watch',
    (server: LocalServer) => {
      server.faults.push({ of: 'watch', status: 410 });
      return server.cut();
    },
  ],
  [
    'as an ERROR event',
    (server: LocalServer) => {
      server.expireWatches();
      return Promise.resolve();
    },
  ],
  [
    'of a version that was compacted while away',
    (server: LocalServer) => {
      server.store.compact();
      return server.cut();
    },
  ],
] as const) {
  test(`410 ${how}: lists again, and pods that were deleted meanwhile leave`, () =>
    scene(async ({ server, client, create, shows, errors }) => {
      await create('a');
      await create('b');
      await shows('a', 'b');
      server.stallWatches(); // what follows is not seen
      await client.delete({ name: 'a' });
      await create('c');
      await gone(server);
      await shows('b', 'c');
      assert.deepEqual(codes(errors), []);
    }));
}

/** It goes on asking, and not more than 40 times in a second. */
async function asksNowAndThen(server: LocalServer, before: number): Promise<void> {
  const began = performance.now();
  await setTimeout(1000);
  await until('asked again', () => server.requests.length - before > 2);
  const [asked, seconds] = [server.requests.length - before, (performance.now() - began) / 1000];
  assert.ok(asked < 40 * seconds, `${asked} requests in ${seconds.toFixed(1)} s`);
}

test('410 of everything is not asked without end', () =>
  scene(async ({ server, create, shows }) => {
    await create('a');
    await shows('a');
    const before = server.requests.length;
    for (let i = 0; i < 1000; i++) server.faults.push({ status: 410 });
    server.expireWatches();
    await asksNowAndThen(server, before);
    server.faults.length = 0;
    await create('b');
    await shows('a', 'b');
  }));

test('a list in pages', () =>
  scene(
    async ({ server, source, client }) => {
      server.paginate = true;
      await Promise.all(
        Array.from({ length: 1234 }, (_, i) =>
          client.create({ name: `p${i}`, node: 'worker', ips: [`10.4.${i >> 8}.${i & 255}`] }),
        ),
      );
      source.start();
      await source.synced;
      assert.equal(source.pods.size, 1234);
      assert.deepEqual(
        server.requests
          .filter(url => url.searchParams.get('watch') === null)
          .map(url => url.searchParams.get('continue') !== null),
        [false, true, true],
      );
    },
    undefined,
    false,
  ));

test('410 in the middle of a list in pages: all of it at once', () =>
  scene(
    async ({ server, source, client, errors }) => {
      server.paginate = true;
      await Promise.all(
        Array.from({ length: 600 }, (_, i) =>
          client.create({ name: `p${i}`, node: 'worker', ips: [`10.4.${i >> 8}.${i & 255}`] }),
        ),
      );
      server.afterList = () => {
        server.store.create('default', { metadata: { name: 'late' }, spec: { nodeName: 'other' } });
        server.store.compact();
        server.afterList = undefined;
      };
      source.start();
      await source.synced;
      assert.equal(source.pods.size, 600);
      assert.equal(
        server.requests
          .filter(url => url.searchParams.get('watch') === null)
          .at(-1)
          ?.searchParams.get('limit'),
        null,
      );
      assert.deepEqual(errors, []);
    },
    undefined,
    false,
  ));

test('a watch that goes silent is cut', () =>
  scene(
    async ({ server, create, shows, disconnects }) => {
      await create('a');
      await shows('a');
      server.stallWatches();
      await create('b');
      await shows('a', 'b');
      assert.match(disconnects[0]!.reason.message, /no data for/);
    },
    () => ({ watchSeconds: 1 }),
  ));

test('a server that takes the connection and says nothing, at the start', () =>
  scene(
    async ({ server, source, create, shows, disconnects }) => {
      server.faults.push({ stall: true });
      source.start();
      await until('it was asked', () => server.requests.length === 1);
      await create('a');
      await server.cut();
      await shows('a');
      assert.equal(disconnects.length, 1);
    },
    undefined,
    false,
  ));

test('half a line, characters in pieces, and lines that make no sense', () =>
  scene(async ({ server, create, shows, errors, has }) => {
    await create('a');
    await shows('a');
    const other: Record<string, unknown> = {
      ...podOf({ name: 'größe-€-😀', node: 'worker' }),
      status: { phase: 'Running', podIP: '10.3.9.9', podIPs: [{ ip: '10.3.9.9' }] },
    };
    Object.assign(other.metadata as object, { uid: 'u', resourceVersion: String(server.store.version) });
    for (const byte of Buffer.from(line('ADDED', other))) {
      server.inject(Buffer.from([byte]));
      await setTimeout(0);
    }
    await shows('a', 'größe-€-😀');
    server.inject('{"type":"DELETED","object":{"metadata":{"name":"a","names'); // and the connection is cut
    await turns(20);
    assert.ok(has('a', 'größe-€-😀'));
    server.faults.push({ of: 'watch', status: 410 });
    await server.cut();
    await until('listed again', () => has('a')); // it never was in the store
    const nonsense = [
      '\n\n{"type":"ADDED"}\n',
      'no json\n',
      '{"type":"NEW","object":{}}\n',
      '[1]\n',
      'null\n',
      '{"type":"BOOKMARK","object":{}}\n',
      `${JSON.stringify({ type: 'ERROR', object: { code: 500, message: 'etcdserver: no leader' } })}\n`,
    ];
    const watched = (): number =>
      server.requests.filter(({ searchParams }) => searchParams.get('watch') !== null).length;
    let seen = 0;
    for (const text of nonsense) {
      await until('another watch', () => watched() > seen && server.watches === 1);
      seen = watched();
      const before = errors.length;
      server.inject(text);
      await until(`reported: ${text}`, () => errors.length > before);
      assert.ok(has('a'));
    }
    assert.deepEqual(codes(errors), [
      ...Array.from({ length: 6 }, () => 'ERR_KUBERNETES_PROTOCOL'),
      'ERR_KUBERNETES_STATUS',
    ]);
    await create('b');
    await shows('a', 'b');
  }));

test('an object without end is bounded', () =>
  scene(async ({ server, create, shows, errors }) => {
    const chunk = Buffer.alloc(1 << 20, 'x');
    for (let i = 0; i < 18; i++) server.inject(chunk);
    await until('reported', () => errors.length === 1);
    assert.match(errors[0]!.message, /more than 16777216 bytes/);
    await create('a');
    await shows('a');
  }));

test('answers that are no list', () =>
  scene(
    async ({ server, source, create, shows, errors }) => {
      await create('a');
      server.faults.push(
        { of: 'list', body: '<html>login</html>' },
        { of: 'list', body: '{}' },
        { of: 'list', body: '{"metadata":{"resourceVersion":"1"},"items":[{}]}' },
        { of: 'list', pieces: [Buffer.from('{"metadata":'), Buffer.from('{"res')] },
      );
      source.start();
      await shows('a');
      assert.deepEqual(codes(errors), [
        'ERR_KUBERNETES_PROTOCOL',
        'ERR_KUBERNETES_PROTOCOL',
        'ERR_KUBERNETES_PROTOCOL',
      ]);
    },
    undefined,
    false,
  ));

test('500, 429 and 503: waits at least as long as it is told', () =>
  scene(
    async ({ server, source, create, shows, errors, disconnects }) => {
      await create('a');
      server.faults.push({ status: 500 }, { status: 429, headers: { 'retry-after': '1' } }, { status: 503 });
      const began = performance.now();
      source.start();
      await shows('a');
      assert.ok(performance.now() - began >= 1000);
      assert.deepEqual(
        errors.map(({ code, status }) => [code, status]),
        [
          ['ERR_KUBERNETES_STATUS', 500],
          ['ERR_KUBERNETES_BUSY', 429],
          ['ERR_KUBERNETES_BUSY', 503],
        ],
      );
      assert.equal(disconnects[1]!.ms, 1000);
    },
    undefined,
    false,
  ));

test('a watch that ends at once, again and again, is not asked without end', () =>
  scene(async ({ server }) => {
    const before = server.requests.length;
    for (let i = 0; i < 1000; i++) server.faults.push({ of: 'watch', body: '' });
    await server.cut();
    await asksNowAndThen(server, before);
  }));

for (const [what, body] of [
  ['a bookmark', () => line('BOOKMARK', { metadata: { resourceVersion: '1' } })],
  [
    'a bookmark and 410',
    () => line('BOOKMARK', { metadata: { resourceVersion: '1' } }) + line('ERROR', { code: 410, message: 'too old' }),
  ],
] as const) {
  test(`a watch that ends after ${what}, again and again, is not asked without end`, () =>
    scene(async ({ server, create, shows, disconnects }) => {
      const before = server.requests.length;
      for (let i = 0; i < 1000; i++) server.faults.push({ of: 'watch', body: body() });
      await server.cut();
      await asksNowAndThen(server, before);
      await until('it is told', () => disconnects.length > 2);
      server.faults.length = 0;
      await create('a');
      await shows('a');
    }));
}

test('a list that goes on without end is given up', () =>
  scene(
    async ({ server, source, create, shows, errors }) => {
      await create('a');
      const page = JSON.stringify({ metadata: { resourceVersion: '1', continue: 'again' }, items: [] });
      for (let i = 0; i < 1000; i++) server.faults.push({ of: 'list', body: page });
      source.start();
      await shows('a');
      assert.deepEqual(codes(errors), ['ERR_KUBERNETES_PROTOCOL']);
      assert.match(errors[0]!.message, /a list without end: 0 pods in 1000 pages/);
    },
    undefined,
    false,
  ));

test('a watch that drips is cut soon after its time', () =>
  scene(
    async ({ server, create, shows, disconnects }) => {
      const drip = setInterval(() => server.inject('x'), 100); // never a whole line, never silent
      server.stallWatches();
      await until('cut', () => disconnects.length > 0);
      clearInterval(drip);
      assert.match(disconnects[0]!.reason.message, /the response did not end within 3 s/);
      await create('a');
      await shows('a');
    },
    () => ({ watchSeconds: 1 }),
  ));

test('a pod for which the own code throws is reported and stays what it was; others are not concerned', async () => {
  let bad = new Set<string>();
  const sidecar = ({ metadata: { name } }: { metadata: { name: string } }): boolean => {
    if (bad.has(name)) throw new Error(`no idea what ${name} is`);
    return true;
  };
  await scene(
    async ({ server, client, source, create, shows, errors, disconnects }) => {
      await create('a');
      bad = new Set(['b']);
      await create('b');
      await create('c');
      source.start();
      await shows('a', 'c');
      bad = new Set(['a', 'b']);
      await client.annotate({ name: 'a' }, { changed: 'yes' });
      await create('d');
      await shows('a', 'c', 'd');
      assert.deepEqual(
        errors.map(error => [error.code, (error as unknown as PodRefusedError).pod, error.hint]),
        [
          ['ERR_POD_REFUSED', 'default/b', 'it is not enrolled until it changes'],
          ['ERR_POD_REFUSED', 'default/a', 'it keeps its previous state until it changes'],
        ],
      );
      assert.match(errors[0]!.message, /no idea what b is/);
      assert.deepEqual(disconnects, []);
      bad.clear();
      server.store.compact();
      server.expireWatches();
      await shows('a', 'b', 'c', 'd');
    },
    () => ({ sidecar }),
    false,
  );
});

test('a server that is restarted, and one that is not there yet', () =>
  scene(
    async ({ server, client, source, create, shows, disconnects }) => {
      const { port } = new URL(server.url);
      await server.close();
      source.start();
      await until('refused', () => disconnects.length > 1);
      assert.match(disconnects[0]!.reason.message, new RegExp(`${port}.*ECONNREFUSED|ECONNREFUSED.*${port}`));
      await server.restart();
      await create('a');
      await shows('a');
      await server.restart();
      await client.delete({ name: 'a' });
      await create('b');
      await shows('b');
    },
    undefined,
    false,
  ));

test('what the pods themselves do', () =>
  scene(async ({ client, source, create, shows, errors }) => {
    await create('a', '10.3.0.77');
    await client.create({ name: 'native', node: 'worker', ips: ['10.3.1.1'], sidecar: 'native' });
    await client.create({ name: 'plain', node: 'worker', ips: ['10.3.1.2'], sidecar: false });
    await client.create({ name: 'host', node: 'worker', ips: ['192.0.2.1'], hostNetwork: true });
    await client.create({ name: 'dual', node: 'worker', ips: ['fd00::1', '10.3.1.3'] });
    await client.create({ name: 'pending', node: 'worker' });
    await shows('a', 'native', 'dual');
    assert.equal(source.skippedIPv6, 1);
    const scope = (name: string): unknown =>
      [...source.pods.values()].find(pod => pod.name === `default/${name}`)?.options.acceleration;
    await client.annotate({ name: 'a' }, { 'merbridge.io/acceleration': 'full' });
    await until('full', () => scope('a') === 'full');
    await client.annotate({ name: 'a' }, { 'merbridge.io/acceleration': 'fast' });
    await until('reported', () => errors.length === 1);
    const refused: unknown = errors[0];
    assert.ok(refused instanceof PodRefusedError);
    assert.equal(refused.pod, 'default/a');
    assert.equal(scope('a'), 'inherit');
    await client.annotate({ name: 'a' }, { 'sidecar.istio.io/status': null });
    await client.status({ name: 'native' }, { phase: 'Failed' });
    await client.delete({ name: 'dual' });
    await client.status({ name: 'pending' }, { podIP: '10.3.1.9', podIPs: [{ ip: '10.3.1.9' }] });
    await shows('pending');
    assert.equal(source.skippedIPv6, 0);
    assert.equal(errors.length, 1);
  }));

test('changes of no interest are not passed on', () =>
  scene(async ({ client, source, create, shows }) => {
    await create('a');
    await shows('a');
    let changes = 0;
    source.on('change', () => {
      changes++;
    });
    for (let i = 0; i < 10; i++)
      await client.status({ name: 'a' }, { conditions: [{ type: 'Ready', status: String(i % 2 === 0) }] });
    await create('b');
    await shows('a', 'b');
    assert.equal(changes, 1);
  }));

test('close ends a watch, a pause and a request at once', () =>
  scene(
    async ({ server, source }) => {
      server.faults.push({ stall: true });
      source.start();
      await until('asked', () => server.requests.length === 1);
      const closed = await Promise.race([source.close().then(() => true), setTimeout(10_000, false, { ref: false })]);
      assert.ok(closed, 'it waits for nothing');
      await assert.rejects(source.synced, (error: { code?: string }) => error.code === 'ERR_BPF_CLOSED');
    },
    undefined,
    false,
  ));
