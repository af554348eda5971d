/** What a socket in a sockmap answers to those who read it, and who is spared of it: docs/hazards.md. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type Answer,
  Bed,
  type Ends,
  SOCKMAP,
  STACK,
  STREAM_PORT,
  Worlds,
  all,
  connectEnds,
  enterMesh,
  hello,
  isOpenAfter,
  say,
  startSidecar,
  startStreamServer,
  stream,
  SLOWNESS,
} from '../../bed';

/** How long to look at a call that never returns. */
const WHILE_MS = 500;

let worlds: Worlds;
before(async () => {
  worlds = await Worlds.create(101);
});
after(() => worlds[Symbol.asyncDispose]());

test('splice(2) readers never see redirected bytes, and hang', { timeout: 240_000 * SLOWNESS }, async () => {
  assert.deepEqual(
    await worlds.observe(STACK, async ends => {
      await hello(ends);
      return ends.server.call('splice', 5);
    }),
    all(STACK, { value: 'hello' }),
  );

  assert.deepEqual(
    await worlds.observe(SOCKMAP, async ends => {
      await hello(ends);
      const readable = await ends.server.get('readable', 0);
      const nonBlocking = await ends.server.call('splice', 5, 'dontwait');
      const blocking = ends.server.start('splice', 5);
      return { readable, nonBlocking, hangs: await isOpenAfter(WHILE_MS, blocking) };
    }),
    all(SOCKMAP, { readable: true, nonBlocking: { error: 'EAGAIN' }, hangs: true }),
  );

  // A pod can be left out with connections open: they keep to it with their next message.
  await using open = await worlds.connect('full');
  worlds.mesh.localPodIps.set(worlds.pods.server.address, { acceleration: 'proxies' });
  await hello(open);
  assert.deepEqual(await open.server.call('splice', 5), { value: 'hello' });
});

test(
  'splice(2) in a sidecar: it needs the scope off, for the accelerator or for its pod',
  { timeout: 240_000 * SLOWNESS },
  async () => {
    using bed = Bed.create({ subnet: 102 });
    const [client, server] = [bed.pod('client'), bed.pod('server')];
    await using mesh = await enterMesh(bed, 'proxies');
    await Promise.all(
      [client, server].map(pod => startSidecar(pod, { kind: 'haproxy', mode: 'tcp', log: false, splice: true })),
    );

    async function arrives(): Promise<boolean> {
      await using ends = await connectEnds(client, server, server.address, 9200);
      await hello(ends); // the first bytes take the stack
      assert.equal(await ends.server.get('recv', 5), 'hello');
      await ends.client.get('send', 'hello');
      return !(await isOpenAfter(2 * WHILE_MS, ends.server.start('recv', 5)));
    }
    async function streamOutcome(): Promise<string> {
      await startStreamServer(server);
      const {
        outcome,
        sent,
        server: received,
      } = await stream(client, 'sender', { host: server.address, port: STREAM_PORT, bytes: 8e6, chunk: 65_536 });
      assert.equal(received?.bytes, sent);
      assert.equal(received.wrongAt, -1);
      return outcome;
    }
    assert.equal(await arrives(), false, 'the sidecar of the server splices from an accelerated socket');
    mesh.localPodIps.set(server.address, { acceleration: 'off' });
    assert.equal(await streamOutcome(), 'ok');
    assert.equal(mesh.counters().redirectedMessages > 0n, true, 'what hung had been redirected');
  },
);

test('blocking recv returns EAGAIN when another thread half-closes', { timeout: 240_000 * SLOWNESS }, async () => {
  // HAProxy gives up where a client half-closes before its own connection to the server is through (CC in its log), so
  // there is a message first. The answer comes only after the reader waits for it, as it does over the stack.
  assert.deepEqual(
    await worlds.observe(STACK, async ({ client, server }) => {
      await say(client, server, 'through');
      const answer = client.start('half_close_and_recv', 5);
      assert.equal(await server.get('recv', 1), '', 'the end of the stream');
      await server.get('send', 'hello');
      return answer;
    }),
    all(STACK, { value: 'hello' }),
  );

  assert.deepEqual(
    await worlds.observe(SOCKMAP, async ({ client, server }) => {
      await say(client, server, 'through');
      const first = await client.get('half_close_under_recv', 5);
      assert.equal(await server.get('recv', 1), '', 'the end of the stream');
      await server.get('send', 'hello');
      return { first, again: await client.call('recv', 5) };
    }),
    all(SOCKMAP, { first: { error: 'EAGAIN' }, again: { value: 'hello' } }),
  );
});

test(
  'blocking recv returns EAGAIN when another thread gets room to send',
  { timeout: 240_000 * SLOWNESS },
  async () => {
    /** A read that waits, while the same socket is filled until it takes no more, and emptied by its other end. */
    const readWhileFilled = async ({ client, server }: Ends): Promise<Promise<Answer<string>>[]> => {
      const answer = client.start('recv', 5);
      const sent = await client.get('fill', 32 << 20);
      assert.equal(await server.get('drain', sent), sent);
      return [answer]; // wrapped, so that nobody waits for it here
    };
    const stack = ['off', 'proxies'] as const;
    assert.deepEqual(
      await worlds.observe(stack, async ends => {
        const [answer] = await readWhileFilled(ends);
        await ends.server.get('send', 'hello');
        return answer;
      }),
      all(stack, { value: 'hello' }),
    );
    assert.deepEqual(await worlds.observe(['full'], async ends => (await readWhileFilled(ends))[0]), {
      full: { error: 'EAGAIN' },
    });
  },
);

test(
  'FIONREAD counts what waits: a socket in the map has nothing on the stack',
  { timeout: 240_000 * SLOWNESS },
  async () => {
    const pending = async (ends: Ends): Promise<number> => {
      await hello(ends);
      return ends.server.get('fionread');
    };
    assert.deepEqual(await worlds.observe([...STACK, ...SOCKMAP], pending), all([...STACK, ...SOCKMAP], 5));

    // A naive sockmap with its other end outside: all that it gets comes through the stack.
    const { plain, naive } = worlds.pods;
    await using half = await connectEnds(plain, naive, naive.address, 9201);
    assert.equal(await pending(half), 0, 'naive');

    await using full = await worlds.connect('full');
    worlds.mesh.acceleration = 'off';
    assert.equal(await pending(full), 5, 'full: it has left the map');
  },
);

test('MSG_WAITALL is ignored: a read ends with what is there', { timeout: 240_000 * SLOWNESS }, async () => {
  assert.deepEqual(
    await worlds.observe(STACK, async ends => {
      await hello(ends);
      const whole = ends.server.start('recv', 10, 'waitall');
      await ends.client.get('send', 'world');
      return whole;
    }),
    all(STACK, { value: 'helloworld' }),
  );

  assert.deepEqual(
    await worlds.observe(SOCKMAP, async ends => {
      await hello(ends);
      return ends.server.call('recv', 10, 'waitall');
    }),
    all(SOCKMAP, { value: 'hello' }),
  );
});

test('MSG_PEEK shows redirected bytes and leaves them', { timeout: 240_000 * SLOWNESS }, async () => {
  assert.deepEqual(
    await worlds.observe([...STACK, ...SOCKMAP], async ends => {
      await hello(ends);
      await ends.client.get('send', ' world');
      await ends.server.get('arrived', 11);
      const { server } = ends;
      return [await server.get('recv', 3, 'peek'), await server.get('recv', 64, 'peek'), await server.get('recv', 64)];
    }),
    all([...STACK, ...SOCKMAP], ['hel', 'hello world', 'hello world']),
  );
});

test(
  'what is right in a socket that is in a sockmap and gets nothing redirected',
  { timeout: 240_000 * SLOWNESS },
  async () => {
    // Only the accepting end is in the map: the other pod has no programs.
    const { plain, naive } = worlds.pods;
    async function half<T>(body: (ends: Ends) => Promise<T>): Promise<T> {
      await using ends = await connectEnds(plain, naive, naive.address, 9201);
      return await body(ends); // before the connection goes
    }
    assert.deepEqual(
      {
        splice: await half(async ends => {
          await hello(ends);
          return ends.server.call('splice', 5);
        }),
        waitall: await half(async ends => {
          await hello(ends);
          const whole = ends.server.start('recv', 10, 'waitall');
          await ends.client.get('send', 'world');
          return whole;
        }),
        close: await half(async ends => {
          await hello(ends);
          await ends.server.get('close');
          return ends.client.call('recv', 5);
        }),
        fionread: await half(async ends => {
          await hello(ends);
          return ends.server.call('fionread');
        }),
        halfClose: await half(ends => ends.server.get('half_close_under_recv', 5)),
      },
      {
        splice: { value: 'hello' },
        waitall: { value: 'helloworld' },
        close: { error: 'ECONNRESET' },
        // and what is not
        fionread: { value: 0 },
        halfClose: { error: 'EAGAIN' },
      },
    );
  },
);
