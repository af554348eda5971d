/** Flags and options of a reader that a socket in a sockmap takes no notice of: docs/hazards.md. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Ends, SLOWNESS, SOCKMAP, STACK, Worlds, all, hello } from '../../bed';

let worlds: Worlds;
before(async () => {
  worlds = await Worlds.create(105);
});
after(() => worlds[Symbol.asyncDispose]());

test(
  'MSG_TRUNC does not discard redirected bytes: it copies them, and fails without a buffer',
  { timeout: 60_000 * SLOWNESS },
  async () => {
    const truncate = async (ends: Ends): Promise<unknown> => {
      await hello(ends);
      const { server } = ends;
      return [
        await server.call('truncate', 2, true),
        await server.call('truncate', 1, false),
        await server.get('recv', 64),
      ];
    };
    assert.deepEqual(
      await worlds.observe(STACK, truncate),
      all<unknown>(STACK, [{ value: { taken: 2, memory: '--' } }, { value: { taken: 1, memory: null } }, 'lo']),
    );
    assert.deepEqual(
      await worlds.observe(SOCKMAP, truncate),
      all<unknown>(SOCKMAP, [{ value: { taken: 2, memory: 'he' } }, { error: 'EFAULT' }, 'llo']),
    );
  },
);

test(
  'SO_RCVLOWAT is ignored: poll and recv are content with what is there',
  { timeout: 60_000 * SLOWNESS },
  async () => {
    assert.deepEqual(
      await worlds.observe(STACK, async ends => {
        await hello(ends);
        await ends.server.get('low_water', 10);
        const readable = await ends.server.get('readable', 0);
        const whole = ends.server.start('recv', 64);
        // Ten more: what it has taken already does not count for its next wake-up.
        await ends.client.get('send', ', my world');
        return { readable, read: await whole };
      }),
      all(STACK, { readable: false, read: { value: 'hello, my world' } }),
    );

    assert.deepEqual(
      await worlds.observe(SOCKMAP, async ends => {
        await hello(ends);
        await ends.server.get('low_water', 10);
        return { readable: await ends.server.get('readable', 0), read: await ends.server.call('recv', 64) };
      }),
      all(SOCKMAP, { readable: true, read: { value: 'hello' } }),
    );
  },
);

test('SO_PEEK_OFF is ignored: each MSG_PEEK begins at the first byte', { timeout: 60_000 * SLOWNESS }, async t => {
  const peekTwice = async (ends: Ends): Promise<unknown> => {
    await hello(ends);
    const { server } = ends;
    const answer = await server.call('peek_offset', 0);
    if ('error' in answer) return answer.error;
    return [await server.get('recv', 3, 'peek'), await server.get('recv', 3, 'peek')];
  };
  const { plain } = await worlds.observe(['plain'], peekTwice);
  if (plain === 'ENOTSUP') {
    // as Python calls EOPNOTSUPP
    t.diagnostic('this kernel has no SO_PEEK_OFF for TCP: it came with 6.9');
    assert.deepEqual(
      await worlds.observe([...STACK, ...SOCKMAP], peekTwice),
      all<unknown>([...STACK, ...SOCKMAP], plain),
    );
    return;
  }
  assert.deepEqual(await worlds.observe(STACK, peekTwice), all<unknown>(STACK, ['hel', 'lo']));
  assert.deepEqual(await worlds.observe(SOCKMAP, peekTwice), all<unknown>(SOCKMAP, ['hel', 'hel']));
});

test('TCP_INQ is ignored: recvmsg does not tell how much is left', { timeout: 60_000 * SLOWNESS }, async () => {
  const left = async (ends: Ends): Promise<unknown> => {
    await ends.server.get('ask_left');
    await hello(ends);
    return (await ends.server.get('recv_told', 3)).left;
  };
  assert.deepEqual(await worlds.observe(STACK, left), all<unknown>(STACK, 2));
  assert.deepEqual(await worlds.observe(SOCKMAP, left), all<unknown>(SOCKMAP, null));
});

test(
  'SO_TIMESTAMP is ignored: recvmsg does not tell when redirected bytes came',
  { timeout: 60_000 * SLOWNESS },
  async () => {
    const receive = async ({ client, server }: Ends): Promise<boolean> => {
      await client.get('send', 'hello');
      return (await server.get('recv_told', 5)).time;
    };
    // The kernel begins to note the time soon after the first socket has asked, and goes on as long as one asks.
    await using ends = await worlds.connect('plain');
    await ends.server.get('ask_time');
    while (!(await receive(ends)));

    const asked = async (other: Ends): Promise<boolean> => {
      await other.server.get('ask_time');
      return receive(other);
    };
    const mesh = STACK.filter(world => world !== 'plain');
    assert.deepEqual(await worlds.observe(mesh, asked), all(mesh, true));
    assert.deepEqual(await worlds.observe(['full'], asked), { full: false });
  },
);
