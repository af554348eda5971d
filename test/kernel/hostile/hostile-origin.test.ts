/**
 * Dials from the address of somebody else, which come to nothing, must not decide where later connections of that
 * address go. What was dialled is remembered in every scope, so `off` is attacked like the others. Istio's rules are in
 * the server's pod: they bring in the client, which is outside of the mesh.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  Bed,
  SIDECAR_UID,
  applyIstioRules,
  enterMesh,
  forge,
  secretBurst,
  startSecretServer,
  startSidecar,
  type Foothold,
  type Forgery,
  type Mode,
  type Pod,
  type SidecarKind,
} from '../../bed';
import { until } from '../../bed/shell';

const PORT = 8080;
/** Where the forger wants the connections of others to go. It answers something else. */
const FORGED_PORT = 9090;
const CONNECTIONS = 1000;
/**
 * How many source ports the client has: fewer than pair_original_dst has room for, so that one pass of dials meets each
 * of its connections.
 */
const PORTS = 6000;
/**
 * Connections that are dialled while the server's sidecar is stopped, of which so many are established all the same.
 */
const PENDING = 120;
const BACKLOG = 64;
const KINDS: readonly SidecarKind[] = ['haproxy', 'envoy'];

async function startServer(pod: Pod, kind: SidecarKind, backlog?: number): Promise<{ readonly pid: number }> {
  await startSecretServer(pod, PORT);
  await startSecretServer(pod, FORGED_PORT, { word: 'elsewhere' });
  return startSidecar(pod, {
    kind,
    mode: 'tcp',
    log: false,
    connectSeconds: 60,
    ...(backlog === undefined ? {} : { backlog }),
  });
}

/** Gives a pod a range of source ports that no attack has used before, and names it. */
function useSourcePorts(pod: Pod, first: number): string {
  const last = first + PORTS - 1;
  pod.admin('sysctl', ['-qw', `net.ipv4.ip_local_port_range=${first} ${last}`]);
  return `${first}-${last}`;
}

/** Segments with RST that a pod has sent: it answers so to a handshake that it did not begin. */
function resetsSent(pod: Pod): number {
  return Number(/^TcpOutRsts\s+(\d+)/m.exec(pod.admin('nstat', ['-asz', 'TcpOutRsts']))?.[1]);
}

for (const kind of KINDS) {
  const modes: readonly Mode[] = ['iptables', 'off', 'proxies', 'full'];
  for (const mode of modes) {
    test(
      `${kind}, ${mode}: dials from the address of a client outside the mesh do not change where its connections go`,
      {
        timeout: 240_000,
      },
      async t => {
        using bed = Bed.create({ subnet: 76 });
        const [server, neighbour] = [bed.pod('server'), bed.pod('neighbour')];
        const mesh = await enterMesh(bed, mode);
        await using _ = mesh ?? { [Symbol.asyncDispose]: async () => undefined };
        if (mesh) applyIstioRules(server);
        const [client, stranger] = [bed.pod('client'), bed.pod('stranger')];
        // Conntrack forgets a connection that was reset, so that the test need not wait for it.
        server.admin('sysctl', ['-qw', 'net.netfilter.nf_conntrack_tcp_timeout_close=1']);
        await startServer(server, kind);

        const targets = [`${server.address}:${FORGED_PORT}`];
        const attacks: readonly [string, Foothold, Pick<Forgery, 'way' | 'sources'>][] = [
          [
            'TCP_REPAIR in a user namespace',
            { pod: stranger, uid: SIDECAR_UID, privilege: 'ownNamespace' },
            { way: 'repair', sources: [client.address, neighbour.address] },
          ],
          [
            'IP_TRANSPARENT with CAP_NET_RAW',
            { pod: neighbour, uid: SIDECAR_UID, privilege: 'netRaw' },
            { way: 'transparent', sources: [client.address] },
          ],
        ];
        const results = [];
        for (const [at, [name, foothold, forgery]] of attacks.entries()) {
          const ports = [useSourcePorts(client, 33000 + at * PORTS)];
          const resets = resetsSent(client);
          using forging = await forge(foothold, { ...forgery, targets, ports, passes: 1 });
          const { dials, errors } = await forging.finished();
          assert.deepEqual({ dials, errors }, { dials: PORTS, errors: {} }, `${name}: every port was dialled from`);
          if (forgery.way === 'transparent') {
            await until(`${name}: the owner of the address has met them`, () => resetsSent(client) > resets);
            await setTimeout(1500); // until conntrack has forgotten them
          }
          const { answered, wrong, lost } = await secretBurst(client, server, PORT, CONNECTIONS);
          t.diagnostic(
            `${name}: ${dials} dials; of ${CONNECTIONS} connections ${answered} right, ${wrong} to port ${FORGED_PORT}, ` +
              `lost ${JSON.stringify(lost)}`,
          );
          results.push({ name, answered, wrong, lost });
        }
        assert.deepEqual(
          results,
          attacks.map(([name]) => ({ name, answered: CONNECTIONS, wrong: 0, lost: {} })),
        );
      },
    );
  }

  test(
    `${kind}: dials from the address of a pod of the mesh do not change where its pending connections go`,
    { timeout: 240_000 },
    async t => {
      using bed = Bed.create({ subnet: 77 });
      const [server, client, neighbour] = [bed.pod('server'), bed.pod('client'), bed.pod('neighbour')];
      await using _mesh = await enterMesh(bed, 'off');
      const ports = [useSourcePorts(client, 33000)];
      await startSidecar(client, { kind, mode: 'tcp', log: false, connectSeconds: 60 });
      const { pid } = await startServer(server, kind, BACKLOG);

      process.kill(pid, 'SIGSTOP'); // it accepts nothing: what its queue does not hold is dialled again after a second
      let burst: ReturnType<typeof secretBurst>;
      let dials: number;
      try {
        burst = secretBurst(client, server, PORT, PENDING);
        await setTimeout(700);
        using forging = await forge(
          { pod: neighbour, uid: SIDECAR_UID, privilege: 'ownNamespace' },
          {
            way: 'repair',
            sources: [client.address],
            targets: [`${server.address}:${FORGED_PORT}`],
            ports,
            passes: 1,
          },
        );
        ({ dials } = await forging.finished());
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      const { answered, wrong, lost } = await burst;
      t.diagnostic(
        `${dials} dials; of ${PENDING} connections ${answered} right, ${wrong} to port ${FORGED_PORT}, lost ${JSON.stringify(lost)}`,
      );
      assert.equal(dials, PORTS);
      assert.deepEqual({ answered, wrong, lost }, { answered: PENDING, wrong: 0, lost: {} });
    },
  );
}
