/**
 * Programs that block in each call, one after the other, as most programs do: in `full` no call answers what it would
 * not answer over TCP.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Bed,
  type BlockingCase,
  type Mode,
  type Outcomes,
  type Pod,
  SIDECAR_KINDS,
  type SidecarKind,
  Writers,
  blocking,
  enterMesh,
  startBlockingServer,
  startSidecar,
} from '../../bed';

/** How many connections of those that go wrong now and then only. By hand: 200. */
const ROUNDS = Number(process.env.MERBRIDGE_TEST_ROUNDS ?? 10);
/** A round takes this long at most, on a busy machine. */
const ROUND_MS = 4000;
/** Below the limit of what may wait in a socket (2 MiB), about it, and with what three hops and their buffers take. */
const SIZES = [1e6, 3e6, 6e6, 8e6, 10e6];

const WAYS: readonly Mode[] = ['iptables', 'full'];

/** How long the server of several writers reads nothing, in the middle. */
const STALL_MS = 30;

type Runs = Readonly<Record<string, (client: Pod, server: Pod) => Promise<Outcomes>>>;

/** Every case in a bed of its own kind, and what each gave: one that goes wrong does not hide the next. */
async function outcomes(kind: SidecarKind, way: Mode, runs: Runs): Promise<Record<string, Outcomes>> {
  using bed = Bed.create({ subnet: 161 });
  const [client, server] = [bed.pod('client'), bed.pod('server')];
  await startBlockingServer(server);
  for (const pod of bed.pods) await startSidecar(pod, { kind, mode: 'tcp', log: false });
  await using _mesh = await enterMesh(bed, way);
  const seen: Record<string, Outcomes> = {};
  for (const [name, run] of Object.entries(runs)) seen[name] = await run(client, server);
  return seen;
}

for (const kind of SIDECAR_KINDS) {
  for (const way of WAYS) {
    const few = way === 'full' ? ROUNDS : 2;
    const many = 5 * few;
    const limit = 30_000 + few * ROUND_MS;
    const each =
      (
        count: number,
        what: BlockingCase,
        bytes: number | readonly [number, number],
        host = (address: string) => address,
      ): Runs[string] =>
      (client, { address }) =>
        blocking(client, host(address), what, count, bytes, limit);
    const mapped = (address: string): string => `::ffff:${address}`;

    /** Runs these, and holds that all connections of each went well. */
    const all = (name: string, cases: Readonly<Record<string, readonly [count: number, run: Runs[string]]>>): void => {
      test(`${kind}, ${way}: ${name}`, { timeout: Object.keys(cases).length * limit }, async () => {
        const entries = Object.entries(cases);
        const seen = await outcomes(kind, way, Object.fromEntries(entries.map(([what, [, run]]) => [what, run])));
        assert.deepEqual(seen, Object.fromEntries(entries.map(([what, [count]]) => [what, { ok: count }])));
      });
    };

    all('a blocking recv after a large send', {
      'of 16 to 30 MB': [few, each(few, 'upload', [16e6, 30e6])],
      ...Object.fromEntries(SIZES.map(size => [`of ${size} bytes`, [few, each(few, 'upload', size)] as const])),
      'on an AF_INET6 socket': [few, each(few, 'upload', [16e6, 30e6], mapped)],
      'by http.client': [few, each(few, 'put', 30e6)],
    });

    all('a blocking recv after shutdown(SHUT_WR)', {
      'behind a small request': [many, each(many, 'half', 700)],
      'behind a large one': [few, each(few, 'half', 10e6)],
      // The other end is busy reading at that moment: if one of its system calls lasts, the socket cannot leave.
      'behind many small ones': [many, each(many, 'pieces', 700)],
      'with bytes unread': [many, each(many, 'unread', 700)],
      'with bytes unread, behind a large request': [few, each(few, 'unread', 1e6)],
      'with bytes unread, and reads much': [few, each(few, 'flooded', 700)],
      'with bytes unread, and waits long': [1, each(1, 'patient', 700)],
      'on an AF_INET6 socket': [many, each(many, 'half', 700, mapped)],
      'by the server, which reads on': [many, each(many, 'first', 700)],
      'by the server, which reads much': [few, each(few, 'first', 10e6)],
      'by the server, with bytes unread': [many, each(many, 'late', 1400)],
    });

    const some = Math.ceil(few / 4);
    const writers = (who: 'threads' | 'processes', pauseUs: number): readonly [number, Runs[string]] => [
      some,
      async (client, server) => {
        const started = await Writers.start(server, STALL_MS);
        try {
          return await started.run(client, server.address, who, some, 8e6, pauseUs);
        } finally {
          await started.stop();
        }
      },
    ];
    all('several processes and threads write to one socket', {
      'a process hands it on': [few, each(few, 'handed', [8e6, 30e6])],
      'four threads': writers('threads', 0),
      'four processes': writers('processes', 0),
      'four threads that pause': writers('threads', 300),
      'four processes that pause': writers('processes', 300),
    });
  }
}
