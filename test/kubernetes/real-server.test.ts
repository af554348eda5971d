/** The real API server that other tests run against: it has what they need, and nothing of it stays. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { allProcesses, startTime } from '../bed/processes';
import { until } from '../bed/shell';
import { kubeAssets, startRealServer } from '../kube/real-server';
import { answer } from '../kube/request';

const assets = kubeAssets();

/** Processes that run a program of the server with a directory of ours, of one owner. */
function programsOf(owner: number): number[] {
  return allProcesses().filter(pid => {
    try {
      return startTime(pid) !== undefined && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`/merbridge-kube-${owner}.`);
    } catch {
      return false;
    }
  });
}

const directoriesOf = (owner: number): string[] => readdirSync(tmpdir()).filter(name => name.startsWith(`merbridge-kube-${owner}.`));

// After a server was killed in the middle of a request, Node.js 20 may keep a TLS socket that it neither reads nor closes, and with it this process.
const end = (): void => { setTimeout(() => process.exit(), 2_000).unref(); };

if (assets === undefined) {
  console.log('# no real API server: set KUBEBUILDER_ASSETS, see scripts/kube-apiserver.sh');
} else {
  test('it starts, serves with RBAC, comes back after a restart with its state, and leaves nothing', async t => {
    const began = Date.now();
    const server = await startRealServer(assets);
    t.diagnostic(`started within ${Date.now() - began} ms`);
    try {
      assert.equal(programsOf(process.pid).length, 2);
      const { gitVersion } = await server.request('GET', '/version') as { gitVersion: string };
      t.diagnostic(`kube-apiserver ${gitVersion}`);
      await server.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
      await server.request('POST', '/api/v1/namespaces/shop/serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'cart' } });
      const token = await server.tokenOf({ namespace: 'shop', name: 'cart' });
      const pods = { url: server.url, ca: server.ca, path: '/api/v1/pods' };
      assert.equal((await answer({ ...pods, token })).status, 403);
      assert.equal((await answer({ ...pods, token: 'wrong' })).status, 401);
      assert.equal((await answer({ ...pods, token: server.adminToken })).status, 200);

      const watching = answer({ ...pods, path: '/api/v1/pods?watch=true', token: server.adminToken });
      await new Promise(resolve => setTimeout(resolve, 200));
      await server.cut();
      await assert.rejects(watching, { code: 'ECONNRESET' });

      await server.restart?.();
      assert.equal((await answer({ ...pods, path: '/api/v1/namespaces/shop/serviceaccounts/cart', token: server.adminToken })).status, 200);
    } finally {
      await server.close();
    }
    assert.deepEqual(programsOf(process.pid), []);
    assert.deepEqual(directoriesOf(process.pid), []);
  });

  test('it dies with the process that started it, and the next one removes its directory', async () => {
    const owner = spawn(process.execPath, ['-r', 'ts-node/register/transpile-only', '-e', `
      require('./test/kube/real-server').startRealServer(process.env.KUBEBUILDER_ASSETS).then(() => console.log('ready'));
    `], { cwd: join(__dirname, '..', '..'), stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(owner, 'exit');
    const pid = owner.pid!;
    try {
      await once(owner.stdout, 'data');
      assert.equal(programsOf(pid).length, 2);
    } finally {
      owner.kill('SIGKILL');
      await exited;
    }
    await until('both programs are gone', () => programsOf(pid).length === 0, 10_000);
    assert.equal(directoriesOf(pid).length, 1);
    await (await startRealServer(assets)).close();
    assert.deepEqual(directoriesOf(pid), []);
    end();
  });
}
