/**
 * Another pod opens sockets with the quadruples of honest connections: with TCP_REPAIR they are established without a
 * packet, and the programs are told of them as of any other. It must get none of what belongs to the two real ends, who
 * must not notice it.
 */
// Alone: that thieves get nothing proves something only if the thief of the control is fast enough.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  APPLICATION_UID,
  Bed,
  SIDECAR_UID,
  enterMesh,
  enterNaiveSockmap,
  flows,
  startSecretClient,
  startSecretServer,
  startSidecar,
  steal,
  type Foothold,
  type Pod,
  type SidecarKind,
} from '../../bed';

const PORT = 9000;
const CONNECTIONS = 6;
/** The default of net.ipv4.ip_local_port_range. */
const ALL_PORTS = '32768-60999';
const PORTS = 60999 - 32768 + 1;
const KINDS: readonly SidecarKind[] = ['haproxy', 'envoy'];

/** What one thief did, for the report and for the comparison with an attack that got nothing. */
interface Attempt {
  readonly name: string;
  readonly established: number;
  readonly bytes: number;
  readonly secrets: number;
}

/** Claims the connections that are there now, or all that there could be, for a moment of honest requests. */
async function attempt(name: string, foothold: Foothold, from: Pod, to: Pod, blind = false): Promise<Attempt> {
  const [flow] = await flows(from, to.address);
  const { process, ready } = await steal(foothold, {
    source: from.address,
    target: flow.target,
    ports: blind ? [ALL_PORTS] : flow.ports,
  });
  using _ = process;
  const { established, errors } = ready;
  assert.equal(
    established,
    blind ? PORTS : flow.ports.length,
    `${name}: the thief has its sockets: ${JSON.stringify(errors)}`,
  );
  await setTimeout(300);
  const { bytes, secrets } = await process.end();
  // Who was robbed gives up and comes again: the next thief shall not find an empty house.
  if (bytes > 0) await setTimeout(4000);
  return { name, established, bytes, secrets };
}

test('the thief is one: from a sockmap that goes by quadruple it takes secrets', { timeout: 240_000 }, async t => {
  using bed = Bed.create({ subnet: 71 });
  const [client, server, thief] = [bed.pod('client'), bed.pod('server'), bed.pod('thief')];
  using _sockmap = await enterNaiveSockmap(bed);
  await startSecretServer(server, PORT);
  using honest = await startSecretClient(client, server, PORT, CONNECTIONS);
  const foothold = { pod: thief, uid: SIDECAR_UID, privilege: 'ownNamespace' } as const;
  let { established, bytes, secrets } = await attempt('thief', foothold, client, server);
  for (let again = 0; secrets === 0 && again < 10; again++)
    ({ established, bytes, secrets } = await attempt('thief', foothold, client, server));
  const { answered, lost } = await honest.end();
  t.diagnostic(
    `${established} sockets, ${bytes} bytes with ${secrets} secrets; honest: ${answered} answered, lost ${JSON.stringify(lost)}`,
  );
  assert.ok(secrets > 0, 'it reads what belongs to others');
  assert.ok(Object.keys(lost).length > 0, 'who have lost it');
});

for (const kind of KINDS) {
  for (const scope of ['proxies', 'full'] as const) {
    test(
      `${kind}, ${scope}: who has the quadruple of an honest connection reads nothing of it, and the connection does not notice`,
      {
        timeout: 240_000,
      },
      async t => {
        using bed = Bed.create({ subnet: 72 });
        const [client, server, neighbour] = [bed.pod('client'), bed.pod('server'), bed.pod('neighbour')];
        await using mesh = await enterMesh(bed, scope);
        const stranger = bed.pod('stranger');
        // A pod chooses its own annotations. Past its own sidecar its application reaches the port of the server's
        // itself.
        mesh.localPodIps.set(neighbour.address, { rules: { excludeOutboundRanges: [`${server.address}/32`] } });
        for (const pod of [client, server]) await startSidecar(pod, { kind, mode: 'tcp', log: false });
        await startSecretServer(server, PORT);
        using honest = await startSecretClient(client, server, PORT, CONNECTIONS);

        const attempts: Attempt[] = [];
        for (const pod of [neighbour, stranger]) {
          for (const uid of [SIDECAR_UID, APPLICATION_UID]) {
            for (const privilege of ['netAdmin', 'ownNamespace'] as const)
              attempts.push(
                await attempt(`${pod.name}, uid ${uid}, ${privilege}`, { pod, uid, privilege }, client, server),
              );
          }
          attempts.push(
            await attempt(
              `${pod.name}, blind`,
              { pod, uid: SIDECAR_UID, privilege: 'ownNamespace' },
              client,
              server,
              true,
            ),
          );
        }
        const { answered, wrong, lost } = await honest.end();
        const { redirectedMessages } = mesh.counters();
        for (const { name, established, bytes, secrets } of attempts)
          t.diagnostic(`${name}: ${established} sockets, ${bytes} bytes, ${secrets} secrets`);
        t.diagnostic(
          `honest: ${answered} answered, ${wrong} wrong, lost ${JSON.stringify(lost)}; ${redirectedMessages} messages accelerated`,
        );
        assert.deepEqual(
          attempts.filter(({ bytes }) => bytes > 0),
          [],
          'nothing was read',
        );
        assert.deepEqual({ wrong, lost }, { wrong: 0, lost: {} });
        assert.ok(answered > 1000, `requests went on: ${answered}`);
        assert.ok(redirectedMessages > answered, 'and most of them were accelerated');
      },
    );
  }
}

test(
  'a socket that a route gave the address of another pod is in no map, and nothing is remembered of it',
  { timeout: 240_000 },
  async t => {
    using bed = Bed.create({ subnet: 137 });
    const [client, server, neighbour] = [bed.pod('client'), bed.pod('server'), bed.pod('neighbour')];
    await using mesh = await enterMesh(bed, 'full');
    mesh.localPodIps.set(neighbour.address, { rules: { excludeOutboundRanges: [`${server.address}/32`] } });
    for (const uid of [SIDECAR_UID, APPLICATION_UID]) {
      const { process, ready } = await steal(
        { pod: neighbour, uid, privilege: 'netAdmin' },
        {
          source: client.address,
          target: `${server.address}:${PORT}`,
          ports: ['41000-41099'],
          unbound: true,
        },
      );
      using _ = process;
      assert.equal(ready.established, 100, JSON.stringify(ready.errors));
      const sockets = [...mesh.sockPairMap].map(([{ local }]) => local.address);
      const pending = [...mesh.pairOriginalDst].map(
        ([
          {
            client: { address },
          },
        ]) => address,
      );
      t.diagnostic(
        `uid ${uid}: ${ready.established} sockets of it, ${sockets.length} in sock_pair_map, ${pending.length} in pair_original_dst`,
      );
      assert.deepEqual(
        [...sockets, ...pending].filter(address => address === client.address),
        [],
      );
      await process.end();
    }
  },
);
