/**
 * A process of the sidecar's user dials in a loop while another pod's sidecar does not answer. What is remembered of
 * connections that wait for that sidecar must not be lost to it.
 */
// Alone: its sidecars have to keep up with thousands of connections.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  Bed,
  SIDECAR_UID,
  enterMesh,
  forge,
  secretBurst,
  startSecretServer,
  startSidecar,
  type Forged,
  type HostileProcess,
  type Mode,
  type Pod,
  type SidecarKind,
} from '../../bed';
import { until } from '../../bed/shell';

const PORT = 8080;
const CONNECTIONS = 7000;
const STOPPED_MS = 3000;
/**
 * More than the CPUs keep each to itself of an LRU map (128 nodes, kernel/bpf/bpf_lru_list.c), where no flood from
 * another CPU gets at them.
 */
const HALF_OPEN = 500;
/** More than pair_original_dst has room for. */
const DIALS = 16_384;
const KINDS: readonly SidecarKind[] = ['haproxy', 'envoy'];
const MODES: readonly Mode[] = ['iptables', 'proxies'];

function halfOpen(pod: Pod): number {
  return pod.admin('ss', ['-tnH', 'state', 'syn-recv']).split('\n').filter(Boolean).length;
}

/** Two that talk, one that floods, and one in which nobody listens. */
function fourPods(bed: Bed): Record<'client' | 'server' | 'neighbour' | 'idle', Pod> {
  return {
    client: bed.pod('client'),
    server: bed.pod('server'),
    neighbour: bed.pod('neighbour'),
    idle: bed.pod('idle'),
  };
}

/** Dials a pod in which nobody listens: each dial is remembered, refused, and gone. */
function flood(from: Pod, to: Pod): Promise<HostileProcess<Forged>> {
  return forge(
    { pod: from, uid: SIDECAR_UID, privilege: 'none' },
    {
      way: 'plain',
      sources: [from.address],
      targets: [`${to.address}:80`],
      ports: ['1024-65535'],
    },
  );
}

for (const kind of KINDS) {
  for (const mode of MODES) {
    test(
      `${kind}, ${mode}: ${CONNECTIONS} connections to a sidecar that is stopped for 3 s are answered, whoever else dials`,
      {
        timeout: 240_000,
      },
      async t => {
        using bed = Bed.create({ subnet: 78 });
        const { client, server, neighbour, idle } = fourPods(bed);
        const mesh = await enterMesh(bed, mode);
        await using _ = mesh ?? { [Symbol.asyncDispose]: async () => undefined };
        await startSecretServer(server, PORT);
        const [, sidecar] = await Promise.all(
          [client, server].map(pod => startSidecar(pod, { kind, mode: 'tcp', log: false, connectSeconds: 60 })),
        );
        assert.ok(sidecar);

        using flooding = await flood(neighbour, idle);
        process.kill(sidecar.pid, 'SIGSTOP');
        let burst: ReturnType<typeof secretBurst>;
        try {
          burst = secretBurst(client, server, PORT, CONNECTIONS);
          await setTimeout(STOPPED_MS);
        } finally {
          process.kill(sidecar.pid, 'SIGCONT');
        }
        const began = performance.now();
        const { answered, wrong, lost } = await burst;
        const { dials, errors } = await flooding.end();
        t.diagnostic(
          `${answered} of ${CONNECTIONS} answered, ${wrong} wrong, lost ${JSON.stringify(lost)}, ` +
            `the last ${((performance.now() - began) / 1000).toFixed(1)} s after the stop; ` +
            `${dials} dials of the flood, errors ${JSON.stringify(errors)}; unknown original destinations ${mesh?.counters().unknownOriginalDestinations}`,
        );
        assert.ok(dials > 2 * DIALS, `the flood was one: ${dials} dials`);
        assert.deepEqual({ answered, wrong, lost }, { answered: CONNECTIONS, wrong: 0, lost: {} });
      },
    );
  }
  for (const mode of MODES) {
    test(
      `${kind}, ${mode}: connections whose handshake is short of its last segment are answered when it comes, whoever else dials`,
      {
        timeout: 240_000,
      },
      async t => {
        using bed = Bed.create({ subnet: 79 });
        const { client, server, neighbour, idle } = fourPods(bed);
        const mesh = await enterMesh(bed, mode);
        await using _ = mesh ?? { [Symbol.asyncDispose]: async () => undefined };
        await startSecretServer(server, PORT);
        for (const pod of [client, server])
          await startSidecar(pod, { kind, mode: 'tcp', log: false, connectSeconds: 60 });

        // The dialling end is established, the accepting one is not: as where its queue is full, or where a segment is
        // lost. It asks again after a second.
        const lastSegments = ['INPUT', '-p', 'tcp', '--dport', '15006', '!', '--syn', '-j', 'DROP'];
        server.admin('iptables', ['-A', ...lastSegments]);
        const burst = secretBurst(client, server, PORT, HALF_OPEN);
        await until(`${HALF_OPEN} half-open connections`, () => halfOpen(server) === HALF_OPEN);
        using flooding = await flood(neighbour, idle);
        await setTimeout(1500);
        server.admin('iptables', ['-D', ...lastSegments]);
        const { answered, wrong, lost } = await burst;
        const { dials } = await flooding.end();
        t.diagnostic(
          `${answered} of ${HALF_OPEN} answered, ${wrong} wrong, lost ${JSON.stringify(lost)}; ${dials} dials of the flood`,
        );
        assert.ok(dials > 2 * DIALS, `the flood was one: ${dials} dials`);
        assert.deepEqual({ answered, wrong, lost }, { answered: HALF_OPEN, wrong: 0, lost: {} });
      },
    );
  }
}

test(
  'dials that are established without a packet and let go at once evict nothing that waits',
  { timeout: 240_000 },
  async t => {
    using bed = Bed.create({ subnet: 138 });
    const [client, server, neighbour] = [bed.pod('client'), bed.pod('server'), bed.pod('neighbour')];
    await using mesh = await enterMesh(bed, 'proxies');
    client.admin('ip', [
      'neigh',
      'replace',
      server.address,
      'lladdr',
      '02:00:00:00:00:99',
      'nud',
      'permanent',
      'dev',
      'eth0',
    ]); // it hears of nobody
    const waiting = client.spawn(
      'python3',
      [
        '-c',
        `
import socket, sys
held = [socket.socket() for _ in range(${HALF_OPEN})]
for one in held: one.setblocking(False); one.connect_ex(('${server.address}', ${PORT}))
print('dialled', flush=True)
sys.stdin.read()`,
      ],
      { uid: SIDECAR_UID, stdio: ['pipe', 'pipe', 'inherit'] },
    );
    await once(waiting.stdout!, 'data');
    // Behind the retransmissions of the first and the third second: the next comes in the seventh.
    await setTimeout(3200);
    // Two for each: with the port of the client, and without.
    const ofClient = (): number =>
      [...mesh.pairOriginalDst].filter(
        ([
          {
            client: { address },
          },
        ]) => address === client.address,
      ).length;
    assert.equal(ofClient(), 2 * HALF_OPEN);
    const flooding = await Promise.all(
      ['10000-29999', '30000-49999'].map(range =>
        forge(
          { pod: neighbour, uid: SIDECAR_UID, privilege: 'netAdmin' },
          {
            way: 'repaired',
            sources: [neighbour.address],
            targets: [`${server.address}:${PORT}`],
            ports: [range],
            passes: 4,
          },
        ),
      ),
    );
    const forged = await Promise.all(flooding.map(each => each.finished()));
    const dials = forged.reduce((sum, each) => sum + each.dials, 0);
    // Before the sockets are closed, which takes their entries away.
    const [remembered, entries] = [ofClient(), [...mesh.pairOriginalDst].length];
    t.diagnostic(`${dials} dials; ${remembered / 2} of ${HALF_OPEN} are remembered, ${entries} entries in all`);
    waiting.kill('SIGKILL');
    assert.ok(dials > 2 * 65_536, `the flood was one: ${dials} dials, ${JSON.stringify(forged)}`);
    assert.equal(remembered, 2 * HALF_OPEN);
    assert.ok(entries < 3 * HALF_OPEN, 'and nothing stays of them');
  },
);
