/** Who asks: tokens and certificates that rotate, accounts that may not, kubeconfigs. On the local server. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ownedDirectory } from '../bed/owned';
import { KubernetesPods, type KubernetesError } from '../../src/kubernetes';
import { LocalServer } from '../kube/local-server';
import { retry, scene } from '../kube/scene';
import { until } from '../kube/until';

test('tokens and certificates rotate: the files are read again', async () => {
  const folder = ownedDirectory('account');
  const [caFile, tokenFile] = [join(folder, 'ca.crt'), join(folder, 'token')];
  const account = { namespace: 'mesh', name: 'agent' };
  try {
    await scene(
      async ({ server, source, create, shows, errors, disconnects }) => {
        writeFileSync(caFile, server.ca);
        const first = await server.tokenOf(account);
        writeFileSync(tokenFile, `${first}\n`);
        source.start();
        await create('a');
        await shows('a');
        await until('a watch', () => server.watches === 1);
        server.expire(first);
        await create('b');
        await shows('a', 'b'); // a watch that is open is not asked again
        await server.cut();
        await until('refused', () => errors.length > 0);
        assert.deepEqual([errors[0]!.code, errors[0]!.status], ['ERR_KUBERNETES_UNAUTHORIZED', 401]);
        writeFileSync(tokenFile, await server.tokenOf(account));
        await create('c');
        await shows('a', 'b', 'c');

        server.rotateCertificate();
        await server.cut();
        await until('not trusted', () =>
          disconnects.some(({ reason }) => /not signed by the given ca/.test(reason.message)),
        );
        writeFileSync(caFile, server.ca);
        await until('trusted again', () => server.watches === 1);
        rmSync(tokenFile);
        await server.cut();
        await until('no token', () => errors.at(-1)?.code === 'ERR_KUBERNETES_CONFIG');
        writeFileSync(tokenFile, await server.tokenOf(account));
        await until('back', () => server.watches === 1);
        assert.equal(source.pods.size, 3);
      },
      server => ({ server: { url: server.url, caFile, tokenFile } }),
      false,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('403 is named, and tried again slowly', async () => {
  const server = await LocalServer.start();
  const token = await server.tokenOf({ namespace: 'mesh', name: 'agent' });
  server.forbid('mesh/agent');
  const source = new KubernetesPods({ nodeName: 'worker', server: { url: server.url, ca: server.ca, token }, retry });
  const errors: KubernetesError[] = [];
  source.on('error', error => errors.push(error as KubernetesError));
  try {
    source.start();
    await until('refused', () => errors.length === 2);
    assert.ok(errors.every(({ code }) => code === 'ERR_KUBERNETES_FORBIDDEN'));
    assert.match(errors[0]!.message, /cannot list resource "pods".*verbs list and watch/);
    assert.equal(server.requests.length, 2);
    server.forbid('mesh/agent', false);
    await source.synced;
  } finally {
    await source.close();
    await server.close();
  }
});

test('a KubeConfig of client-node', () =>
  scene(
    async ({ create, shows }) => {
      await create('a');
      await shows('a');
    },
    server => ({
      server: undefined,
      kubeConfig: {
        getCurrentCluster: () => ({ server: `${server.url}/` }),
        applyToHTTPSOptions: options => {
          Object.assign(options, { ca: server.ca, headers: { Authorization: `Bearer ${server.adminToken}` } });
          return Promise.resolve();
        },
      },
    }),
  ));

test('credentials that never come keep nobody from closing', () =>
  scene(
    async ({ source }) => {
      const timers = (): number => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;
      const before = timers();
      source.start();
      await setTimeout(20);
      const closed = await Promise.race([source.close().then(() => true), setTimeout(10_000, false, { ref: false })]);
      assert.ok(closed);
      assert.equal(timers(), before, 'nor the process alive');
    },
    server => ({
      server: undefined,
      kubeConfig: {
        getCurrentCluster: () => ({ server: `${server.url}/` }),
        applyToHTTPSOptions: () => new Promise<void>(() => undefined),
      },
    }),
    false,
  ));
