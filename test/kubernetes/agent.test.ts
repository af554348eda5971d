/** The example's agent as its image runs it: what it needs, what it costs, what it leaves. */
import assert from 'node:assert/strict';
import { chownSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { PinnedMesh } from 'merbridge';
import { Cgroup } from 'merbridge/bpf';
import { ownedCgroupPath } from '../bed/owned';
import { processCpuTime, processRss } from '../bed/processes';
import { Bpffs } from '../fixtures/bpffs';
import { NOBODY_SPECIAL, unprivileged } from '../fixtures/unprivileged';
import { AgentImage } from '../kube/agent-image';
import { AgentProcess, type AgentOptions } from '../kube/agent-process';
import { watchIdle } from '../kube/idle';
import { LocalServer } from '../kube/local-server';
import { MANIFESTS, documentedCapabilities, only, pathOf } from '../kube/manifests';
import { PodClient } from '../kube/pod-client';
import { answer } from '../kube/request';
import type { ApiServer } from '../kube/server';
import { serverKinds } from './servers';

const NODE = 'worker-1';
/** CPU time until it has its first list of pods: the engine, and what it loads. */
const START_CPU_MS = 1000;
const ACCOUNT = { namespace: 'kube-system', name: only('deploy/merbridge.yaml', 'ServiceAccount').metadata.name };

let image: AgentImage;
let bpffs: Bpffs;
let cgroup: Cgroup;
before(() => {
  image = new AgentImage();
});
after(() => image[Symbol.dispose]());
beforeEach(() => {
  bpffs = new Bpffs();
  cgroup = Cgroup.create(ownedCgroupPath('agent'));
});
afterEach(() => {
  bpffs[Symbol.dispose]();
  if (!cgroup.closed) cgroup.remove();
});

const attached = (): number => cgroup.programs({ attachType: 'cgroup/connect4' }).length;

function agentOf(server: ApiServer, token: string, options: Partial<AgentOptions> = {}): AgentProcess {
  return new AgentProcess({
    image,
    server,
    token,
    node: NODE,
    cgroup: cgroup.path,
    pinDirectory: bpffs.directory(),
    ...options,
  });
}

for (const kind of serverKinds) {
  describe(`at the ${kind.name} server`, { skip: kind.skip }, () => {
    let server: ApiServer;
    let token: string;

    before(async () => {
      server = await kind.start();
      if (kind.name === 'kube-apiserver')
        for (const manifest of MANIFESTS['deploy/merbridge.yaml']!)
          await answer({
            url: server.url,
            ca: server.ca,
            token: server.adminToken,
            method: 'PATCH',
            contentType: 'application/apply-patch+yaml',
            body: manifest,
            path: `${pathOf(manifest)}?fieldManager=test`,
          });
      token = await server.tokenOf(ACCOUNT);
      const client = new PodClient(server);
      const pods = Array.from({ length: 250 }, (_, i) =>
        client.create({ name: `p${i}`, node: NODE, ips: [`10.1.0.${i + 1}`] }),
      );
      await Promise.all([
        ...pods,
        client.create({ name: 'elsewhere', node: 'worker-2', ips: ['10.2.0.1'] }),
        client.create({ name: 'plain', node: NODE, ips: ['10.1.1.1'], sidecar: false }),
      ]);
      client.close();
    });
    after(() => server?.close());

    test('it enrols the 250 pods of its node, and costs 80 MB at most and nothing when there is nothing to do', async t => {
      await using agent = agentOf(server, token);
      await agent.printed(/attached to/);
      assert.deepEqual(await agent.page('/readyz'), { status: 200, text: 'ok\n' });
      assert.match((await agent.page('/metrics')).text, /^merbridge_pods 250$/m);
      using pinned = PinnedMesh.open(bpffs.directory());
      const addresses = [...pinned.localPodIps.keys()].sort();
      assert.deepEqual(addresses, Array.from({ length: 250 }, (_, i) => `10.1.0.${i + 1}`).sort());

      // It takes a minute, and the real server sends more.
      if (kind !== serverKinds.filter(({ skip }) => skip === false).at(-1)) return;
      // Node.js looks once more at time-outs that ended well, the longest after 30 s.
      await setTimeout(40_000);
      const idle = await watchIdle(agent.process.pid!, 10);
      const rss = processRss(agent.process.pid!);
      t.diagnostic(
        `${(rss / 1e6).toFixed(1)} MB resident (VmRSS of node with the flags of the Dockerfile, 50 s after the sync)`,
      );
      t.diagnostic(`10 s idle by strace: ${idle.wakeUps} wake-ups, ${idle.idleWakeUps} of them did no work`);
      assert.ok(rss <= 80e6, `${rss} bytes resident`);
      assert.equal(idle.idleWakeUps, 0, idle.trace);
      assert.doesNotMatch(agent.output, /error/);
      assert.equal(await agent.end('SIGTERM'), 0, agent.output);
    });

    test('attached within 1 s of the first sync', async t => {
      await using agent = agentOf(server, token);
      const [, milliseconds] = await agent.printed(/attached to .* within (\d+) ms/);
      const used = processCpuTime(agent.process.pid!);
      t.diagnostic(`from synced to attached: ${milliseconds} ms; ${used} ms of CPU time since it was started`);
      // It waits for nothing: with a CPU of its own it takes as long as the CPU time that it uses.
      assert.ok(used <= START_CPU_MS + 1000, `${used} ms of CPU time`);
    });
  });
}

describe('its life', () => {
  let server: LocalServer;
  let token: string;

  beforeEach(async () => {
    server = await LocalServer.start();
    token = await server.tokenOf(ACCOUNT);
    const client = new PodClient(server);
    await client.create({ name: 'one', node: NODE, ips: ['10.1.0.1'] });
    client.close();
  });
  afterEach(() => server.close());

  const uninstall = (): AgentProcess => agentOf(server, token, { command: ['node', 'uninstall.js'] });

  test('nothing is attached before the first sync; it is alive, not ready, and ends when it is told to', async () => {
    for (let i = 0; i < 1000; i++) server.faults.push({ status: 503 });
    await using agent = agentOf(server, token);
    await agent.printed(/the pods stay as they are: ERR_KUBERNETES_BUSY/);
    assert.equal((await agent.page('/healthz')).status, 200);
    const ready = await agent.page('/readyz');
    assert.equal(ready.status, 503);
    assert.match(ready.text, /^waiting for the first list of pods/);
    assert.equal(attached(), 0);
    assert.equal(await agent.end('SIGTERM'), 0, agent.output);
    assert.equal(attached(), 0);
  });

  test('without the right to list pods it says what to do, and attaches nothing', async () => {
    server.forbid(`${ACCOUNT.namespace}/${ACCOUNT.name}`);
    await using agent = agentOf(server, token);
    await agent.printed(/ERR_KUBERNETES_FORBIDDEN: .*\n.*bind the ClusterRole/);
    assert.equal(attached(), 0);
  });

  test('SIGTERM and SIGKILL leave the mesh to the next one; uninstall removes all of it, and refuses while an agent works', async () => {
    {
      await using first = agentOf(server, token);
      await first.printed(/attached to/);
      assert.equal(await first.end('SIGTERM'), 0, first.output);
      assert.match(first.output, /the mesh of this node stays as it is/);
    }
    assert.equal(attached(), 1);
    using pinned = PinnedMesh.open(bpffs.directory());
    pinned.acceleration = 'off';
    const client = new PodClient(server);
    await client.create({ name: 'two', node: NODE, ips: ['10.1.0.2'] });
    await client.delete({ name: 'one' });
    client.close();
    {
      await using second = agentOf(server, token);
      await second.printed(/attached to .* acceleration 'off'/); // what the operator switched off stays so
      assert.deepEqual([...pinned.localPodIps.keys()], ['10.1.0.2']);
      await using refused = uninstall();
      assert.equal(await refused.end(), 1);
      assert.match(refused.output, /^ERR_BPF_PINS_IN_USE: .*\n {2}another agent works on this node/);
      await second.end('SIGKILL');
    }
    pinned.close();
    assert.equal(attached(), 1);
    {
      await using removal = uninstall();
      assert.equal(await removal.end(), 0, removal.output);
      assert.match(removal.output, /^removed link mb_connect4 \(id \d+\)$/m);
      assert.match(removal.output, /^removed \d+ pins from /m);
    }
    assert.equal(attached(), 0);
    await using again = uninstall();
    assert.equal(await again.end(), 0);
    assert.match(again.output, /^nothing is pinned at /);
  });

  test('hostile text: nothing that a pod or the API server writes acts on the log, and the token is not in it', async t => {
    const hostile = '\u001b]0;owned\u0007\r\n2030-01-01T00:00:00.000Z all is well\u0085\u009b31m\u202e';
    const client = new PodClient(server);
    await client.annotate(
      { name: 'one' },
      {
        'merbridge.io/acceleration': hostile,
        'traffic.sidecar.istio.io/excludeOutboundPorts': `${hostile},`.repeat(2000),
      },
    );
    client.close();
    const said = `${hostile} you sent ${token}`;
    server.faults.push(
      { of: 'list', status: 500, body: JSON.stringify({ message: said }) },
      { of: 'list', status: 500, body: said },
      { of: 'list', body: said },
    );
    await using agent = agentOf(server, token);
    await agent.printed(/attached to/);
    assert.equal(await agent.end('SIGTERM'), 0, agent.output);
    assert.match(agent.output, /ERR_KUBERNETES_STATUS: 500 .*\\u001b\]0;owned\\u0007/);
    assert.match(
      agent.output,
      /ERR_POD_REFUSED: pod default\/one: .*excludeOutboundPorts, entry 1: .*and more, these are the first 20/,
    );
    const lines = agent.output.trimEnd().split('\n');
    for (const line of lines) {
      assert.match(line, /^(\d{4}-\d\d-\d\dT[\d:.]+Z (?!all is well)| {2}\S)/);
      assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      assert.ok(line.length < 9000, `${line.length} characters`);
    }
    assert.ok(!agent.output.includes(token.slice(0, 12)), agent.output);
    t.diagnostic(`${lines.length} lines, the longest of ${Math.max(...lines.map(({ length }) => length))} characters`);
  });

  test('an attachment whose cgroup was made anew is for a new process to mend', async () => {
    const inner = join(cgroup.path, 'kubepods.slice');
    mkdirSync(inner);
    const options = { cgroup: inner };
    try {
      {
        await using agent = agentOf(server, token, options);
        await agent.printed(/attached to/);
        rmdirSync(inner);
        mkdirSync(inner);
        const { status, text } = await agent.page('/healthz');
        assert.equal(status, 503, text);
        assert.match(text, /is not attached/);
        await agent.end('SIGKILL');
      }
      await using next = agentOf(server, token, options);
      await next.printed(/attached to/);
      assert.equal((await next.page('/healthz')).status, 200);
      await next.end('SIGTERM');
      await using removal = uninstall();
      assert.equal(await removal.end(), 0, removal.output);
    } finally {
      rmdirSync(inner);
    }
  });

  for (const [name, env, message] of [
    ['NODE_NAME', { NODE_NAME: '' }, /^NODE_NAME is not set: take it from the downward API/],
    ['ACCELERATION', { ACCELERATION: 'fast' }, /^ACCELERATION must be one of off, proxies, full, not 'fast'/],
    ['MESH_PROFILE', { MESH_PROFILE: 'mine' }, /^MESH_PROFILE must be one of istio, not 'mine'/],
    ['PORT', { PORT: 'http' }, /^PORT must be a number/],
    ['CGROUP', { CGROUP: '/nowhere' }, /ERR_BPF_NOT_A_CGROUP: .*\n {2}mount the host's \/sys\/fs\/cgroup/],
    [
      'PIN_DIRECTORY',
      { PIN_DIRECTORY: '/tmp/nowhere' },
      /ERR_BPF_NOT_A_BPFFS: .*\n {2}mount the host's BPF file system/,
    ],
  ] as const) {
    test(`a wrong ${name} ends it with a message that says what to do`, async () => {
      await using agent = agentOf(server, token, { env });
      assert.equal(await agent.end(), 1, agent.output);
      assert.match(agent.output, message);
      assert.equal(attached(), 0);
    });
  }

  describe('what it is allowed', () => {
    const capabilities = documentedCapabilities();
    const asUser = (list: readonly string[]): Partial<AgentOptions> => {
      chownSync(bpffs.path, NOBODY_SPECIAL, NOBODY_SPECIAL);
      return { by: ['setpriv', ...unprivileged(list, [process.execPath, __filename, join(image.path, 'agent.js')])] };
    };

    test(`without root, with ${capabilities.join(', ')} alone, it works, and uninstall does`, async () => {
      const options = asUser(capabilities);
      {
        await using agent = agentOf(server, token, options);
        await agent.printed(/attached to/);
        assert.deepEqual(await agent.page('/readyz'), { status: 200, text: 'ok\n' });
        assert.equal(await agent.end('SIGTERM'), 0, agent.output);
      }
      assert.equal(attached(), 1);
      await using next = agentOf(server, token, options);
      await next.printed(/attached to/);
      await next.end('SIGKILL');
      await using removal = agentOf(server, token, { ...options, command: ['node', 'uninstall.js'] });
      assert.equal(await removal.end(), 0, removal.output);
      assert.equal(attached(), 0);
    });

    for (const missing of capabilities) {
      test(`without ${missing} the error says so`, async () => {
        await using agent = agentOf(server, token, asUser(capabilities.filter(name => name !== missing)));
        assert.equal(await agent.end(), 1, agent.output);
        assert.match(
          agent.output,
          new RegExp(
            `^ERR_BPF_PERMISSION: .*\\n  grant ${missing} to the container, as deploy/merbridge.yaml does$`,
            'm',
          ),
        );
        assert.equal(attached(), 0);
      });
    }

    test('as its container: root with no other capability than these', async () => {
      const list = ['-all', ...capabilities.map(name => `+${name.slice('CAP_'.length).toLowerCase()}`)].join(',');
      await using agent = agentOf(server, token, {
        by: ['setpriv', '--no-new-privs', '--inh-caps', '-all', '--ambient-caps', '-all', '--bounding-set', list, '--'],
      });
      await agent.printed(/attached to/);
      assert.deepEqual(await agent.page('/readyz'), { status: 200, text: 'ok\n' });
      await agent.end('SIGTERM');
    });
  });
});
