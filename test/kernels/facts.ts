/**
 * Prints what the running kernel does where kernels differ: what a start finds, what a socket in a sockmap does, and
 * what comes of it in `full`. A line is `fact`, its name and its value, with tabs between them.
 *
 *     node -r ./scripts/typescript.cjs test/kernels/facts.ts [NAME…]
 *     npm run test:kernels -- test/kernels/facts.ts          all kernels, as a table: docs/kernels.md
 *
 * It judges nothing: test/kernel/hazards-*.test.ts do. As root, after `npm run build`.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { release } from 'node:os';
import { diagnose } from 'merbridge';
import { tcpPair } from '../../src/bpf/internal';
import { type Answer, type Ends, RemoteSocket, Worlds, connectEnds, hello, isOpenAfter, type World } from '../bed';
import { loadedMessageProgram } from './message-program';

/** How long to look at what may never come. */
const WHILE_MS = 500;

type Look = (ends: Ends, worlds: Worlds, world: World) => Promise<unknown>;

/**
 * Where one is looked at: both programs in a sockmap that redirects all, and in `full` behind sidecars; plain TCP to
 * compare.
 */
const WORLDS: readonly World[] = ['plain', 'naive', 'full'];

const word = <T>(answer: Answer<T>): unknown => ('error' in answer ? answer.error : answer.value);

/** What a call says once five bytes wait at the server. */
const afterHello =
  (look: (server: RemoteSocket, client: RemoteSocket) => Promise<unknown>): Look =>
  async ends => {
    await hello(ends);
    return look(ends.server, ends.client);
  };

const LOOKS: Readonly<Record<string, Look>> = {
  FIONREAD: afterHello(server => server.get('fionread')),
  'recv after shutdown(SHUT_WR), one thread': async ({ client, server }) => {
    await client.get('send', 'hello');
    await server.get('recv', 5);
    const answer = client.start('half_close_and_recv', 5);
    await server.get('recv', 1);
    await isOpenAfter(WHILE_MS, answer);
    await server.get('send', 'hello');
    return word(await answer);
  },
  'recv under shutdown(SHUT_WR), two threads': async ({ client, server }) => {
    const answer = client.start('half_close_under_recv', 5);
    await server.get('recv', 1);
    await isOpenAfter(WHILE_MS, answer);
    await server.get('send', 'hello');
    return word(((await answer) as { value: Answer<string> }).value);
  },
  MSG_WAITALL: afterHello(async (server, client) => {
    const whole = server.start('recv', 10, 'waitall');
    await isOpenAfter(WHILE_MS, whole);
    await client.get('send', 'world');
    return word(await whole);
  }),
  MSG_PEEK: afterHello(async server => [await server.get('recv', 3, 'peek'), await server.get('recv', 64)]),
  MSG_TRUNC: afterHello(async server => [
    (await server.get('truncate', 2, true)).memory,
    word(await server.call('truncate', 1, false)),
  ]),
  SO_RCVLOWAT: afterHello(async server => {
    await server.get('low_water', 10);
    return { readable: await server.get('readable', 0) };
  }),
  SO_PEEK_OFF: afterHello(async server => {
    const answer = await server.call('peek_offset', 0);
    return 'error' in answer
      ? answer.error
      : [await server.get('recv', 3, 'peek'), await server.get('recv', 3, 'peek')];
  }),
  TCP_INQ: async ends => {
    await ends.server.get('ask_left');
    await hello(ends);
    return (await ends.server.get('recv_told', 3)).left;
  },
  SO_TIMESTAMP: async ({ client, server }) => {
    await server.get('ask_time');
    for (let i = 0; i < 20; i++) {
      // the kernel begins to note the time a little after it was asked
      await client.get('send', 'hello');
      if ((await server.get('recv_told', 5)).time) return true;
    }
    return false;
  },
  'splice(2)': afterHello(async server => [
    word(await server.call('splice', 2, 'dontwait')),
    { hangs: await isOpenAfter(WHILE_MS, server.start('splice', 3)) },
  ]),
  MSG_ZEROCOPY: async ({ client, server }) => {
    await client.get('allow_zerocopy');
    await client.get('send', 'hello', 'zerocopy');
    await server.get('recv', 5);
    return { completed: await client.get('completed', 3000) };
  },
  MSG_OOB: async ({ client, server }) => {
    await client.get('send', 'ab');
    await server.get('arrived', 2);
    await client.get('send', 'c', 'oob');
    await client.get('send', 'd');
    // TCP shows nothing behind the urgent byte until what is before it was read.
    await isOpenAfter(WHILE_MS, new Promise(() => {}));
    return [
      await server.get('recv', 64),
      word(await server.call('recv', 64, 'dontwait')),
      { urgent: await server.get('urgent', 0) },
    ];
  },
  'close with unread data': async ({ client, server }) => {
    await server.get('send', 'hello');
    await client.get('arrived', 5);
    await client.get('close');
    return word(await server.call('recv', 5));
  },
  TCP_INFO: afterHello(async (server, client) => ({
    sent: (await client.get('traffic')).sent,
    received: (await server.get('traffic')).received,
  })),
  'TLS without keys, set later; then data': async ({ client, server }) => {
    const answer = word(await client.call('upper_layer', 'tls'));
    await client.get('send', 'hello');
    return [answer, word(await server.call('arrived', 5))];
  },
};

function setting(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return 'none';
  }
}

/** Of the programs that this process has loaded; the limit is 1,000,000. */
function mostVerified(): number {
  const counts = readdirSync('/proc/self/fdinfo').map(fd =>
    Number(/^verified_insns:\t(\d+)$/m.exec(setting(`/proc/self/fdinfo/${fd}`))?.[1] ?? 0),
  );
  return Math.max(...counts);
}

/** What /proc/self/fd shows for a link. */
function linkTarget(): string | undefined {
  const targets = readdirSync('/proc/self/fd').map(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // that of the listing itself
    }
  });
  return targets.find(target => /bpf[-_]link/.test(target));
}

/** What only one of the worlds can show. */
const SINGLE: Readonly<Record<string, (worlds: Worlds) => Promise<unknown>>> = {
  release: async () => release(),
  'mesh.backlogAccount': async ({ mesh }) => mesh.backlogAccount,
  'mesh.fionreadCounts': async ({ mesh }) => mesh.fionreadCounts,
  'program of sk_msg': async () => loadedMessageProgram(),
  'instructions verified, most in a program': async () => mostVerified(),
  'file descriptors of links': async () => linkTarget(),
  'features that are missing': async () =>
    (await diagnose()).features.filter(({ supported }) => supported !== true).map(({ name }) => name),
  'known bugs': async () => (await diagnose()).kernel.advisories.map(({ id }) => id),
  'kernel.unprivileged_bpf_disabled': async () => setting('/proc/sys/kernel/unprivileged_bpf_disabled'),
  'net.core.rmem_max': async () => setting('/proc/sys/net/core/rmem_max'),
  lockdown: async () => setting('/sys/kernel/security/lockdown'),
  'FIONREAD of stack bytes, in a sockmap': async ({ pods: { plain, naive } }) => {
    // The dialling end is in no map, so nothing is redirected.
    await using ends = await connectEnds(plain, naive, naive.address, 9201);
    await hello(ends);
    return await ends.server.get('fionread');
  },
  'MPTCP sockets refused by a sockmap, of two': async worlds => {
    const refused = worlds.naive.refused();
    await using _ends = await worlds.connect('naive', 'mptcp');
    return Number(worlds.naive.refused() - refused);
  },
  'MPTCP socketErrors in full': async worlds => {
    const { socketErrors } = worlds.mesh.counters();
    await using ends = await worlds.connect('full', 'mptcp');
    await hello(ends);
    return Number(worlds.mesh.counters().socketErrors - socketErrors);
  },
  'TLS on a socket in no map': async () => {
    using pair = tcpPair();
    await using socket = RemoteSocket.adopt(pair.client);
    return word(await socket.call('upper_layer', 'tls'));
  },
};

function show(name: string, value: unknown): void {
  console.log(`fact\t${name}\t${typeof value === 'string' ? value : JSON.stringify(value)}`);
}

async function looked(look: () => Promise<unknown>): Promise<unknown> {
  try {
    return await look();
  } catch (error) {
    return { failed: (error as Error).message };
  }
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  const isWanted = (name: string): boolean => wanted.length === 0 || wanted.includes(name);
  await using worlds = await Worlds.create(106);
  for (const [name, look] of Object.entries(SINGLE).filter(([name]) => isWanted(name)))
    show(name, await looked(() => look(worlds)));
  for (const [name, look] of Object.entries(LOOKS).filter(([name]) => isWanted(name))) {
    for (const world of WORLDS) {
      show(
        `${name}, ${world}`,
        await looked(async () => {
          await using ends = await worlds.connect(world);
          return await look(ends, worlds, world);
        }),
      );
    }
  }
}

void main();
