/**
 * Connection tracking may put another source into packets that a connect hook sent to a sidecar. Another port does not
 * matter. With another address, nobody knows what was dialled.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Bed,
  type SidecarKind,
  SIDECAR_UID,
  WEB_PORT,
  applyIstioRules,
  enterMesh,
  originalDestinations,
  request,
  startSidecar,
  startWebServer,
} from '../../bed';
import { until } from '../../bed/shell';

const KINDS: readonly SidecarKind[] = ['haproxy', 'envoy'];

/** One request from port 45678. It reads to the end, so that the server closes first and the port is free at once. */
const FROM_PORT = `
import socket, sys
with socket.socket() as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(8)
    s.bind(('', 45678))
    s.connect((sys.argv[1], int(sys.argv[2])))
    s.sendall(b'GET / HTTP/1.1\\r\\nHost: test\\r\\nConnection: close\\r\\n\\r\\n')
    while part := s.recv(4096):
        print(part.decode(), end='')
`;

for (const kind of KINDS) {
  // The rules redirected a connection to 15006, and the tracking remembers it for two minutes after its end, or as long
  // as it lives. One of the library from the same port goes to 15006 from the beginning: the replies of both would be
  // the same, so the tracking gives the second another port.
  test(
    `${kind}: a connection from a port that the mesh's own rules remember finds its destination`,
    { timeout: 240_000 },
    async () => {
      using bed = Bed.create({ subnet: 66 });
      const [client, server] = [bed.pod('client'), bed.pod('server')];
      applyIstioRules(server);
      await startWebServer(server);
      const sidecar = await startSidecar(server, { kind, mode: 'tcp' });
      const destination = `${server.address}:${WEB_PORT}`;
      // As the sidecar of its pod.
      const get = () => client.run('python3', ['-c', FROM_PORT, server.address, `${WEB_PORT}`], { uid: SIDECAR_UID });
      const first = await get();
      assert.match(first.stdout, /^HTTP\/1.. 200 /, first.stderr);
      await sidecar.logged(1);

      await using mesh = await enterMesh(bed, 'full');
      const { stdout, stderr } = await get();
      assert.match(stdout, /^HTTP\/1.. 200 /, stderr);
      assert.equal(mesh.counters().inbound, 1n, 'the library redirected it');
      assert.equal(mesh.counters().unknownOriginalDestinations, 0n);
      const [, second] = await sidecar.logged(2);
      assert.deepEqual(originalDestinations(sidecar), [destination, destination]);
      assert.notEqual(second?.client, `${client.address}:45678`, 'and connection tracking gave it another port');
      await until('no entry of a connection that has ended', () => [...mesh.pairOriginalDst].length === 0);
    },
  );

  test(
    `${kind}: a sidecar whose connection got another source address on the way does not dial itself`,
    { timeout: 240_000 },
    async () => {
      using bed = Bed.create({ subnet: 65 });
      const [client, server, other] = [bed.pod('client'), bed.pod('server'), bed.pod('other')];
      await using mesh = await enterMesh(bed, 'full');
      await startWebServer(server);
      for (const pod of [client, server]) await startSidecar(pod, { kind, mode: 'tcp' });
      const url = `http://${server.address}:${WEB_PORT}/`;
      assert.equal((await request(client, url, { timeoutMs: 8000 })).ok, true);

      const snat = ['-p', 'tcp', '--dport', '15006', '-j', 'SNAT', '--to-source', other.address];
      server.admin('iptables', ['-t', 'nat', '-A', 'INPUT', ...snat]);
      const before = mesh.counters();
      assert.equal(
        (await request(client, url, { timeoutMs: 8000 })).ok,
        false,
        'nobody can know where this one wants to go',
      );
      const after = mesh.counters();
      assert.equal(after.inbound - before.inbound, 1n, 'the sidecar was not sent to itself');
      assert.equal(after.unknownOriginalDestinations - before.unknownOriginalDestinations, 1n);

      server.admin('iptables', ['-t', 'nat', '-D', 'INPUT', ...snat]);
      assert.equal((await request(client, url, { timeoutMs: 8000 })).ok, true, 'and others are not concerned');
    },
  );
}
