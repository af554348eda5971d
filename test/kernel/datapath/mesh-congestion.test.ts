/**
 * TCP_CONGESTION of an accelerated connection: nothing that paces what never leaves the node, and the choice of a
 * program stands.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { APPLICATION_UID, Bed, INBOUND_PORT, MODES, SIDECAR_UID, enterMesh, startListener } from '../../bed';

/**
 * What a program finds on a socket that it has connected, for which it has chosen nothing, chosen before, or chosen
 * after.
 */
const ASK = `
import json, socket, sys
def ask(before, after):
    with socket.socket() as s:
        def choose(name):
            if name: s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
        choose(before); s.connect((sys.argv[1], 8080)); choose(after)
        return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b'\\0').decode()
own = sys.argv[2]
print(json.dumps({'nothing': ask(None, None), 'before': ask(own, None), 'after': ask(None, own)}))`;

test('an accelerated connection has reno, unless its program has chosen', async t => {
  using bed = Bed.create({ subnet: 165 });
  const [client, server] = [bed.pod('client'), bed.pod('server')];
  for (const pod of bed.pods) await startListener(pod, [15_001, INBOUND_PORT], SIDECAR_UID);
  const own = client.admin('cat', ['/proc/sys/net/ipv4/tcp_congestion_control']).trim();
  t.diagnostic(`the default is ${own}`);
  const ask = async (uid: number): Promise<unknown> => {
    const run = await client.run('python3', ['-c', ASK, server.address, own], { uid });
    assert.equal(run.code, 0, run.stderr);
    return JSON.parse(run.stdout);
  };
  const plain = { nothing: own, before: own, after: own };
  const accelerated = { ...plain, nothing: 'reno' };
  for (const mode of MODES.filter(each => each !== 'iptables')) {
    await using _ = await enterMesh(bed, mode);
    assert.deepEqual(await ask(APPLICATION_UID), mode === 'full' ? accelerated : plain, `${mode}: an application`);
    assert.deepEqual(await ask(SIDECAR_UID), mode === 'off' ? plain : accelerated, `${mode}: a sidecar`);
  }
});
