/**
 * What a socket in a sockmap does for those who write to it or close it, and what tools see of that: docs/hazards.md.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Ends, MESH, SOCKMAP, STACK, type World, Worlds, all, SLOWNESS } from '../../bed';

const MIB = 1 << 20;

let worlds: Worlds;
before(async () => {
  worlds = await Worlds.create(103);
});
after(() => worlds[Symbol.asyncDispose]());

/** The first bytes of a client take the stack to its sidecar, and from there to the other one. */
async function begin({ client, server }: Pick<Ends, 'client' | 'server'>): Promise<void> {
  await client.get('send', 'first');
  assert.equal(await server.get('recv', 5), 'first');
}

test('MSG_ZEROCOPY completions never come for redirected bytes', { timeout: 240_000 * SLOWNESS }, async () => {
  /** Whether the sender is told, within that time, that it may use its buffer again. */
  const completes =
    (milliseconds: number) =>
    async ({ client, server }: Ends): Promise<boolean> => {
      await begin({ client, server });
      await client.get('allow_zerocopy');
      assert.equal(await client.get('send', 'hello', 'zerocopy'), 5);
      assert.equal(await server.get('recv', 5), 'hello');
      return client.get('completed', milliseconds);
    };
  assert.deepEqual(await worlds.observe(STACK, completes(10_000)), all(STACK, true));
  assert.deepEqual(await worlds.observe(SOCKMAP, completes(1000)), all(SOCKMAP, false));
});

test('out-of-band data (MSG_OOB) becomes ordinary data', { timeout: 240_000 * SLOWNESS }, async () => {
  const sendUrgent = async ({ client, server }: Ends): Promise<void> => {
    await client.get('send', 'ab');
    await server.get('arrived', 2);
    await client.get('send', 'c', 'oob');
  };
  assert.deepEqual(
    await worlds.observe(['plain'], async ends => {
      await sendUrgent(ends);
      const urgent = await ends.server.get('urgent', 10_000);
      return { urgent, outOfBand: await ends.server.call('recv', 1, 'oob'), inBand: await ends.server.get('recv', 5) };
    }),
    { plain: { urgent: true, outOfBand: { value: 'c' }, inBand: 'ab' } },
  );

  // A sidecar does not pass it on, in no scope: it never sees the byte.
  assert.deepEqual(
    await worlds.observe(MESH, async ends => {
      await sendUrgent(ends);
      await ends.client.get('send', 'd');
      return { inBand: await ends.server.get('arrived', 3), urgent: await ends.server.get('urgent', 0) };
    }),
    all(MESH, { inBand: 'abd', urgent: false }),
  );

  assert.deepEqual(
    await worlds.observe(SOCKMAP, async ends => {
      await sendUrgent(ends);
      await ends.client.get('send', 'd');
      return { inBand: await ends.server.get('arrived', 4), urgent: await ends.server.get('urgent', 0) };
    }),
    all(SOCKMAP, { inBand: 'abcd', urgent: false }),
  );
});

test(
  'close with unread data is an end of stream for the other end, not ECONNRESET',
  { timeout: 240_000 * SLOWNESS },
  async () => {
    const closeUnread = async ({ client, server }: Ends): Promise<unknown> => {
      await server.get('send', 'hello');
      await client.get('arrived', 5);
      await client.get('close');
      return server.call('recv', 5);
    };
    assert.deepEqual(await worlds.observe(STACK, closeUnread), all(STACK, { error: 'ECONNRESET' }));
    assert.deepEqual(await worlds.observe(SOCKMAP, closeUnread), all(SOCKMAP, { value: '' }));
  },
);

test(
  'TCP_INFO does not count redirected bytes; the counters of the accelerator do',
  { timeout: 240_000 * SLOWNESS },
  async () => {
    const traffic = async ({ client, server }: Ends): Promise<object> => {
      await begin({ client, server });
      const first = [(await client.get('traffic')).sent, (await server.get('traffic')).received] as const;
      const before = worlds.mesh.counters().redirectedBytes;
      await client.get('send', 'hello');
      await server.get('arrived', 5);
      const redirected = worlds.mesh.counters().redirectedBytes - before;
      return {
        sent: (await client.get('traffic')).sent - first[0],
        received: (await server.get('traffic')).received - first[1],
        redirected,
      };
    };
    const seen = await worlds.observe(['plain', ...MESH, ...SOCKMAP], traffic);
    const stack = { sent: 5, received: 5 };
    assert.deepEqual(seen, {
      plain: { ...stack, redirected: 0n },
      off: { ...stack, redirected: 0n },
      proxies: { ...stack, redirected: 5n },
      'left out': { ...stack, redirected: 5n }, // from sidecar to sidecar
      naive: { sent: 0, received: 0, redirected: 0n },
      full: { sent: 0, received: 0, redirected: 15n },
    });
  },
);

test(
  'unbounded backlog: a naive sockmap takes all for a reader that reads nothing, the accelerator stops',
  { timeout: 240_000 * SLOWNESS },
  async () => {
    const limit = 32 * MIB;
    const fill = async ({ client, server }: Ends, world: World): Promise<{ sent: number; waiting: number }> => {
      // Between sidecars it is for the accelerator to choose.
      if (world === 'plain' || world === 'naive')
        for (const socket of [client, server]) await socket.get('buffers', 65_536);
      return { sent: await client.get('fill', limit), waiting: await server.get('charged') };
    };
    const { plain, naive, full } = await worlds.observe(['plain', 'naive', 'full'], fill);
    assert.ok(plain!.sent < MIB, `plain TCP took ${plain!.sent} bytes`);
    assert.ok(
      naive!.sent >= limit && naive!.waiting >= limit,
      `naive: ${naive!.sent} bytes sent, ${naive!.waiting} wait at the reader`,
    );
    assert.ok(full!.sent < limit, `full: ${full!.sent} bytes sent`);
    assert.ok(full!.waiting <= 8 * MIB, `full: ${full!.waiting} bytes wait at the reader`);
  },
);
