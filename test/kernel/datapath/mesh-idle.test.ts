/**
 * A connection that is idle on the wire: what is moved from socket to socket is no segment. The node's connection
 * tracking must not forget it, or the other end never learns of its end.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  APPLICATION_UID,
  Bed,
  type Ends,
  INBOUND_PORT,
  MODES,
  type Mode,
  SIDECAR_KINDS,
  SIDECAR_UID,
  type Sidecar,
  connectEnds,
  enterMesh,
  removeIstioRules,
  startListener,
  startSidecar,
  trackOnNode,
  trackedOnNode,
} from '../../bed';

const FORGOTTEN_SECONDS = 4;
/** How long messages go to and fro: by hand 30. */
const SECONDS = Number(process.env.MERBRIDGE_TEST_SECONDS ?? 10);
const PER_SECOND = 5;
const PORT = 9200;

/** How a connection ends, and what is asked of its other end: the end of the stream or an error, not which. */
const ENDS: Readonly<Record<string, (ends: Ends, sidecar: Sidecar) => Promise<unknown>>> = {
  'the client closes': ({ client }) => client.get('close'),
  'the client is killed': ({ client }) => client[Symbol.asyncDispose](),
  "the client's sidecar is killed": (_, sidecar) => sidecar.stop('SIGKILL'),
};

/** A message to the server and one back. */
async function chat({ client, server }: Ends): Promise<void> {
  await client.get('send', 'ping');
  assert.equal(await server.get('recv', 4), 'ping');
  await server.get('send', 'pong');
  assert.equal(await client.get('recv', 4), 'pong');
}

for (const kind of SIDECAR_KINDS) {
  test(`${kind}: the other end learns of the end`, { timeout: 120_000 + SECONDS * 1000 }, async () => {
    const seen: Partial<Record<Mode, unknown>> = {};
    const wanted: Partial<Record<Mode, unknown>> = {};
    /** Almost all of it is waiting: the modes wait at the same time. */
    const observe = async (mode: Mode, index: number): Promise<void> => {
      using bed = Bed.create({ subnet: 164 + index });
      const [client, server] = [bed.pod('client'), bed.pod('server')];
      trackOnNode(bed, FORGOTTEN_SECONDS);
      const [sidecar] = await Promise.all(
        [client, server].map(pod => startSidecar(pod, { kind, mode: 'tcp', log: false })),
      );
      const mesh = await enterMesh(bed, mode, { keepAlive: 1 });
      try {
        const names = Object.keys(ENDS);
        const open = await Promise.all(names.map((_, i) => connectEnds(client, server, server.address, PORT + i)));
        for (const until = Date.now() + SECONDS * 1000; Date.now() < until; await sleep(1000 / PER_SECOND))
          await Promise.all(open.map(chat));
        const told: Record<string, string> = {};
        for (const [i, name] of names.entries()) {
          await ENDS[name]!(open[i]!, sidecar!);
          // A call that gets no answer in 20 s: less than a sidecar keeps a connection on which nothing comes.
          told[name] = await open[i]!.server.call('recv', 1).then(
            answer => ('value' in answer ? answer.value : answer.error),
            String,
          );
        }
        for (const ends of open) await ends[Symbol.asyncDispose]();
        const { known } = trackedOnNode(bed);
        seen[mode] = {
          told: Object.fromEntries(
            names.map(name => [name, /^(|ECONNRESET)$/.test(told[name]!) ? 'ended' : told[name]]),
          ),
          tracked: known > 0,
        };
        wanted[mode] = { told: Object.fromEntries(names.map(name => [name, 'ended'])), tracked: true };
      } finally {
        await mesh?.close();
      }
    };
    const observed = await Promise.allSettled(MODES.map(observe));
    for (const each of observed) if (each.status === 'rejected') throw each.reason;
    assert.deepEqual(seen, wanted);
  });
}

/** What a program finds on a socket that it has connected: [SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL]. */
const ASK = `
import json, socket, sys
def ask(before, after):
    with socket.socket() as s:
        def set(options):
            for level, name, value in options: s.setsockopt(level, name, value)
        set(before); s.connect((sys.argv[1], 8080)); set(after)
        return [s.getsockopt(*option) for option in ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL))]
own = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77), (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 33)]
none = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)]
print(json.dumps({'nothing': ask([], []), 'before': ask(own, []), 'after': ask([], own), 'off after': ask([], none)}))`;

test('keep-alive as set by a program stands; what it finds where it set none', { timeout: 240_000 }, async () => {
  using bed = Bed.create({ subnet: 164 });
  const [client, server] = [bed.pod('client'), bed.pod('server')];
  for (const pod of bed.pods) await startListener(pod, [15_001, INBOUND_PORT], SIDECAR_UID);
  const ask = async (uid: number): Promise<Record<string, number[]>> => {
    const run = await client.run('python3', ['-c', ASK, server.address], { uid });
    assert.equal(run.code, 0, run.stderr);
    return JSON.parse(run.stdout) as Record<string, number[]>;
  };
  const idle = Number(server.admin('cat', ['/proc/sys/net/ipv4/tcp_keepalive_time']));
  const interval = Number(server.admin('cat', ['/proc/sys/net/ipv4/tcp_keepalive_intvl']));
  const plain = {
    nothing: [0, idle, interval],
    before: [1, 77, 33],
    after: [1, 77, 33],
    'off after': [0, idle, interval],
  };
  const probed = { ...plain, nothing: [1, 5, 5], 'off after': [0, 5, 5] };

  for (const mode of MODES) {
    const mesh = await enterMesh(bed, mode, { keepAlive: 5 });
    assert.deepEqual(await ask(APPLICATION_UID), plain, `${mode}: an application, whose connection ends in its pod`);
    assert.deepEqual(
      await ask(SIDECAR_UID),
      mode === 'proxies' || mode === 'full' ? probed : plain,
      `${mode}: a sidecar, whose connection goes to another pod`,
    );
    await mesh?.close();
    if (mode === 'iptables') for (const pod of bed.pods) removeIstioRules(pod);
  }
  await using _none = await enterMesh(bed, 'full', { keepAlive: 0 });
  assert.deepEqual(await ask(SIDECAR_UID), plain, 'keepAlive: 0');
});
