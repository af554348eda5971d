/**
 * The bound on memory is measured at the honest receiver. A thief with the quadruple of a connection that reads nothing
 * must not be sent what nobody measures.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  Bed,
  SIDECAR_UID,
  enterMesh,
  enterNaiveSockmap,
  flows,
  sample,
  socketMemory,
  startSecretClient,
  startSecretServer,
  startSidecar,
  steal,
  tcpMemory,
  type Foothold,
  type Pod,
  type SidecarKind,
} from '../../bed';

const PORT = 9000;
const CONNECTIONS = 4;
/** An answer is longer than all that may be kept of it. */
const ANSWER_BYTES = 24e6;
const LIMIT = 16e6;
/**
 * Least, default and most that a socket of plain TCP receives or sends: what is measured is the hop that is
 * accelerated, not the ones beside it.
 */
const PLAIN_BUFFER = '4096 131072 2097152';
const KINDS: readonly SidecarKind[] = ['haproxy', 'envoy'];

interface Cost {
  /** Bytes for each connection that the kernel kept for sockets, beyond what it did before. */
  readonly sockets: number;
  /** Bytes that waited in the thief's sockets, all together. */
  readonly thief: number;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Claims the connections over which answers come, and leaves what comes of them unread. */
async function hold(foothold: Foothold, from: Pod, to: Pod, memory: () => number): Promise<Cost> {
  const before = memory();
  using honest = await startSecretClient(from, to, PORT, CONNECTIONS);
  const [flow] = await flows(from, to.address);
  const { process, ready } = await steal(foothold, {
    source: from.address,
    target: flow.target,
    ports: flow.ports,
    hold: true,
  });
  using _ = process;
  assert.equal(ready.established, flow.ports.length, `the thief has its sockets: ${JSON.stringify(ready.errors)}`);
  const sampling = sample(memory, 100);
  await setTimeout(1500);
  const { max } = sampling.stop();
  const { held } = await process.end();
  const { answered, wrong, lost } = await honest.end();
  if (held === 0) assert.deepEqual({ wrong, lost, some: answered >= CONNECTIONS }, { wrong: 0, lost: {}, some: true });
  return { sockets: (max - before) / CONNECTIONS, thief: held };
}

test('the thief is one: a sockmap that goes by quadruple fills it without a bound', { timeout: 240_000 }, async t => {
  using bed = Bed.create({ subnet: 73 });
  const [client, server, thief] = [bed.pod('client'), bed.pod('server'), bed.pod('thief')];
  using _sockmap = await enterNaiveSockmap(bed);
  await startSecretServer(server, PORT, { fillBytes: ANSWER_BYTES });
  const foothold = { pod: thief, uid: SIDECAR_UID, privilege: 'ownNamespace' } as const;
  const cost = await hold(foothold, client, server, () => socketMemory(bed.pods));
  t.diagnostic(`${megabytes(cost.thief)} wait in the thief, sockets + ${megabytes(cost.sockets)} for each connection`);
  assert.ok(cost.thief > ANSWER_BYTES / 2);
});

for (const kind of KINDS) {
  for (const scope of ['proxies', 'full'] as const) {
    test(
      `${kind}, ${scope}: who has the quadruple of a connection and reads nothing costs no memory`,
      { timeout: 240_000 },
      async t => {
        using bed = Bed.create({ subnet: 74 });
        const [client, server] = [bed.pod('client'), bed.pod('server')];
        await using mesh = await enterMesh(bed, scope);
        const stranger = bed.pod('stranger');
        for (const pod of [client, server]) {
          for (const name of ['tcp_rmem', 'tcp_wmem'])
            pod.admin('sh', ['-c', `echo '${PLAIN_BUFFER}' > /proc/sys/net/ipv4/${name}`]);
          await startSidecar(pod, { kind, mode: 'tcp', log: false });
        }
        await startSecretServer(server, PORT, { fillBytes: ANSWER_BYTES });
        // Where the kernel charges redirected bytes to no socket, the whole machine is measured.
        const memory = mesh.backlogAccount === 'kernel' ? () => socketMemory(bed.pods) : tcpMemory;
        const foothold = { pod: stranger, uid: SIDECAR_UID, privilege: 'ownNamespace' } as const;
        const cost = await hold(foothold, client, server, memory);
        t.diagnostic(
          `${megabytes(cost.thief)} wait in the thief, sockets + ${megabytes(cost.sockets)} for each connection`,
        );
        assert.equal(cost.thief, 0, 'nothing was sent to the thief');
        assert.ok(cost.sockets <= LIMIT, `sockets held ${megabytes(cost.sockets)} for each connection`);
      },
    );
  }
}
