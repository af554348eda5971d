/** What befalls streams when sockets and programs enter or leave a sockmap: docs/hazards.md. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type BpfObject, BpfSockHashMap, OpenBpfObject, u32 } from 'merbridge/bpf';
import { type TcpPair, tcpPair } from '../../../src/bpf/internal';
import { MESH, RemoteSocket, Worlds, all, SLOWNESS } from '../../bed';
import { until } from '../../bed/shell';
import { compile } from '../../fixtures/compile';

/** The key that `pass_message` redirects every message to. */
const TARGET = 2;
const SENDER = 1;

let worlds: Worlds;
let object: BpfObject;
let sockets: BpfSockHashMap<number>;
before(async () => {
  worlds = await Worlds.create(104);
  object = OpenBpfObject.openFile(compile('plain')).load();
  sockets = BpfSockHashMap.from(object.map('sockets'), { key: u32 });
});
after(async () => {
  object.close();
  await worlds[Symbol.asyncDispose]();
});

function send(pair: TcpPair, text: string): void {
  assert.equal(pair.send(pair.client, Buffer.from(text)), text.length);
}

/** What the accepting end can read now, in one read. */
function receiveNow(pair: TcpPair): string {
  const buffer = Buffer.alloc(64);
  return buffer.toString('utf8', 0, pair.receive(pair.server, buffer));
}

/** The same, once there is something: what takes the stack may come a little later. */
function receive(pair: TcpPair): Promise<string> {
  return until('bytes arrive', () => receiveNow(pair) || undefined);
}

test('reordering between stack and psock: redirected bytes are read first', async () => {
  using _verdict = sockets.attachVerdict(object.program('pass_message'));
  using pair = tcpPair();
  send(pair, 'first');
  sockets.set(SENDER, pair.client).set(TARGET, pair.server);
  send(pair, 'second');
  assert.equal(await receive(pair), 'second');
  assert.equal(await receive(pair), 'first');

  // In the mesh a connection changes once: behind bytes that took the stack nothing is redirected any more.
  const { mesh } = worlds;
  await using ends = await worlds.connect('full');
  mesh.acceleration = 'off';
  await ends.client.get('send', 'first');
  await ends.server.get('arrived', 5);
  mesh.acceleration = 'full';
  const before = mesh.counters();
  await ends.client.get('send', 'second');
  assert.equal(await ends.server.get('arrived', 11), 'firstsecond');
  assert.equal(mesh.counters().redirectedMessages, before.redirectedMessages);
  assert.ok(before.socketsLeft >= 6n, 'both ends of each hop have left the map');
});

test('deleted keys lose what is queued; the accelerator never deletes one', async () => {
  using _verdict = sockets.attachVerdict(object.program('pass_message'));
  using pair = tcpPair();
  sockets.set(SENDER, pair.client).set(TARGET, pair.server);
  send(pair, 'lost');
  sockets.delete(TARGET);
  assert.equal(receiveNow(pair), '');

  // Switched off, and both pods taken out, with bytes queued.
  const { mesh, pods } = worlds;
  await using ends = await worlds.connect('full');
  await ends.client.get('send', 'queued');
  await ends.server.get('arrived', 6);
  assert.equal((await ends.server.get('traffic')).received, 0, 'it was redirected');
  mesh.acceleration = 'off';
  for (const { address } of [pods.client, pods.server]) mesh.localPodIps.delete(address);
  assert.equal(await ends.server.get('recv', 64), 'queued');
  await ends.client.get('send', 'over the stack');
  assert.equal(await ends.server.get('arrived', 14), 'over the stack');
});

test('a replaced sk_msg program stays on old sockets; the scope reaches them', async () => {
  using old = tcpPair();
  using elsewhere = tcpPair();
  {
    using _first = sockets.attachVerdict(object.program('pass_message'));
    sockets.set(SENDER, old.client).set(TARGET, elsewhere.server);
    using _second = sockets.attachVerdict(object.program('pass_other'), { replace: true });
    using young = tcpPair();
    sockets.set(3, young.client);
    send(young, 'by the new program');
    assert.equal(await receive(young), 'by the new program');
    send(old, 'by the old one');
    assert.equal(await receive(elsewhere), 'by the old one');
  }
  send(old, 'and with none attached');
  assert.equal(await receive(elsewhere), 'and with none attached');

  const { mesh } = worlds;
  await using ends = await worlds.connect('full');
  mesh.acceleration = 'off';
  const before = mesh.counters();
  await ends.client.get('send', 'hello');
  assert.equal(await ends.server.get('recv', 5), 'hello');
  const { passedSwitch, redirectedMessages } = mesh.counters();
  assert.equal(passedSwitch - before.passedSwitch, 3n);
  assert.equal(redirectedMessages, before.redirectedMessages);
});

test('kTLS: a socket that has it is not let into a sockmap', async t => {
  using pair = tcpPair();
  await using socket = RemoteSocket.adopt(pair.client);
  const tls = await socket.call('upper_layer', 'tls');
  if ('error' in tls) {
    t.diagnostic('this kernel has no kTLS');
    assert.deepEqual(tls, { error: 'ENOENT' });
  } else {
    assert.throws(() => sockets.set(SENDER, pair.client), { errnoName: 'EINVAL' });
  }
  send(pair, 'whole over the stack');
  assert.equal(await receive(pair), 'whole over the stack');

  // An application that asks for it when the connection stands, as TLS libraries do, is in the sockmap before: not in
  // these scopes.
  assert.deepEqual(
    await worlds.observe(MESH, async ({ client, server }) => {
      const answer = await client.call('upper_layer', 'tls');
      await client.get('send', 'hello');
      return { answer, received: await server.get('recv', 5) };
    }),
    all(MESH, { answer: tls, received: 'hello' }),
  );
});

test(
  'MPTCP sockets are refused by a sockmap, and their data flows over the stack',
  { timeout: 240_000 * SLOWNESS },
  async t => {
    const { mesh, naive, pods } = worlds;
    await using probe = RemoteSocket.dial(pods.plain, '127.0.0.1', 1, 'mptcp');
    const { error } = (await probe.connected) as { error: string };
    if (error !== 'ECONNREFUSED') {
      t.diagnostic('this kernel has no MPTCP');
      assert.ok(['EPROTONOSUPPORT', 'ENOPROTOOPT', 'EINVAL'].includes(error), error);
      return;
    }
    const refused = naive.refused();
    {
      await using ends = await worlds.connect('naive', 'mptcp');
      assert.equal(naive.refused() - refused, 2n, 'both ends');
      assert.equal(naive.sockets(), 0);
      await ends.client.get('send', 'hello');
      assert.equal(await ends.server.get('recv', 5), 'hello');
    }
    for (const scope of ['off', 'proxies', 'full'] as const) {
      const { socketErrors } = mesh.counters();
      await using ends = await worlds.connect(scope, 'mptcp');
      // To the sidecar, which does not speak it, and from the sidecar to the server it becomes plain TCP: what is
      // refused is the client's.
      assert.equal(mesh.counters().socketErrors - socketErrors, scope === 'full' ? 1n : 0n, scope);
      await ends.client.get('send', 'hello');
      assert.equal(await ends.server.get('recv', 5), 'hello', scope);
      await ends.server.get('send', 'and back');
      assert.equal(await ends.client.get('recv', 8), 'and back', scope);
    }
  },
);
