/** What waits in an accelerated socket is bounded in bytes and in messages, whoever keeps the account of it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { MeshAccelerator, objectPath } from 'merbridge';
import { OpenBpfObject } from 'merbridge/bpf';
import { APPLICATION_UID, Bed, STREAM_PORT, stall, startSidecar, startStreamServer, stream } from '../../bed';

const ACCOUNTS = ['auto', 'programs'] as const;
/** backlogLimit / MB_LEAST_MESSAGE of bpf/policy/backlog.h, with the default limit. */
const MESSAGES = (2 << 20) / 512;

/**
 * Says hello, waits for a line, sends single bytes for two seconds and until there are enough of them, and reads as
 * many back.
 */
const DRIPPER = (host: string): string => `
import select, socket, sys, time
s = socket.create_connection(('${host}', ${STREAM_PORT}))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.sendall(b'x'); s.recv(1); print('connected', flush=True); input()
s.setblocking(False); sent = got = 0; begin = time.monotonic()
while time.monotonic() < begin + 2 or (sent < ${3 * MESSAGES} and time.monotonic() < begin + 60):
    try: sent += s.send(b'x')
    except BlockingIOError: time.sleep(0.01)
print(sent, flush=True); input()
s.settimeout(30)
while got < sent: got += len(s.recv(1 << 20)) or sys.exit('the end came early')
print(got, flush=True)`;

for (const backlogAccount of ACCOUNTS) {
  test(
    `account ${backlogAccount}: a sidecar that stops under messages of one byte lets few of them wait, and all arrive`,
    { timeout: 300_000 },
    async () => {
      using bed = Bed.create({ subnet: 63 });
      const [client, server] = [bed.pod('client'), bed.pod('server')];
      await using mesh = await MeshAccelerator.start({
        cgroup: bed.cgroupPath,
        acceleration: 'full',
        pods: bed.pods.map(pod => pod.address),
        backlogAccount,
      });
      await startStreamServer(server, { mode: 'echo' });
      const sidecars = await Promise.all(
        [client, server].map(pod => startSidecar(pod, { kind: 'haproxy', mode: 'tcp', log: false })),
      );
      const dripper = client.spawn('python3', ['-c', DRIPPER(server.address)], {
        uid: APPLICATION_UID,
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      const lines = createInterface({ input: dripper.stdout! })[Symbol.asyncIterator]();
      const next = async (): Promise<string> => ((await lines.next()) as { value: string }).value;
      assert.equal(await next(), 'connected');

      const before = mesh.counters();
      sidecars[0]!.service.process.kill('SIGSTOP');
      dripper.stdin!.write('\n');
      const sent = Number(await next());
      const { redirectedMessages, passedBacklog } = mesh.counters();
      sidecars[0]!.service.process.kill('SIGCONT');
      assert.ok(sent > 2 * MESSAGES, `only ${sent} messages`);
      const waited = redirectedMessages - before.redirectedMessages;
      assert.ok(waited <= MESSAGES + 1, `${waited} messages waited in the socket`);
      assert.ok(waited > 0n && passedBacklog > before.passedBacklog, 'they were redirected until there were too many');

      const ended = once(dripper, 'exit');
      dripper.stdin!.write('\n');
      assert.equal(Number(await next()), sent);
      await ended;
    },
  );
}

test(
  'account programs: streams are whole, and one whose reader sleeps takes the stack',
  { timeout: 240_000 },
  async () => {
    using bed = Bed.create({ subnet: 64 });
    const [client, server] = [bed.pod('client'), bed.pod('server')];
    await using mesh = await MeshAccelerator.start({
      cgroup: bed.cgroupPath,
      acceleration: 'full',
      pods: bed.pods.map(pod => pod.address),
      backlogAccount: 'programs',
    });
    assert.equal(mesh.backlogAccount, 'programs');
    await startStreamServer(server);
    await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'haproxy', mode: 'tcp', log: false })));
    const { outcomes } = await stream(client, 'burst', { host: server.address, port: STREAM_PORT, connections: 500 });
    assert.deepEqual(outcomes, { ok: 500 });
    const before = mesh.counters();
    assert.ok(before.redirectedMessages > 0n);

    const { bytes, wrongAt } = await stall(client, server, 1e8, 1);
    assert.deepEqual({ bytes, wrongAt }, { bytes: 1e8, wrongAt: -1 });
    const { passedBacklog, redirectedBytes } = mesh.counters();
    assert.ok(passedBacklog > before.passedBacklog && redirectedBytes > before.redirectedBytes);
  },
);

test('the kernel takes both programs for messages, of which one is for older kernels', () => {
  using object = OpenBpfObject.openFile(objectPath('merbridge')).load();
  assert.equal(object.program('mb_redirect_msg').type, 'sk_msg');
  assert.equal(object.program('mb_redirect_msg_by_calls').type, 'sk_msg');
});
