/**
 * The manifests of the example: what they grant, that an API server takes them, and what their service account may do
 * there.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { ownedDirectory } from '../bed/owned';
import {
  DAEMONSET,
  MANIFESTS,
  documentedCapabilities,
  filledIn,
  only,
  pathOf,
  readManifests,
  templateOf,
  walked,
  type Container,
  type Manifest,
} from '../kube/manifests';
import { kubeAssets, startRealServer } from '../kube/real-server';
import { answer, type KubeAnswer } from '../kube/request';
import type { ApiServer } from '../kube/server';

const WORKLOADS = [
  only('deploy/merbridge.yaml', 'DaemonSet'),
  only('remove/uninstall.yaml', 'DaemonSet'),
  only('remove/uninstall-job.yaml', 'Job'),
];

describe('what is granted', () => {
  const containers = WORKLOADS.flatMap(workload => {
    const { initContainers = [], containers: main } = templateOf(workload).spec;
    return [...initContainers, ...main].map((container): [string, Container] => [
      `${workload.kind} ${workload.metadata.name}, ${container.name}`,
      container,
    ]);
  });

  for (const [name, { securityContext, resources }] of containers) {
    test(`${name}: not privileged, nothing writable, bounded`, () => {
      assert.notEqual(securityContext.privileged, true);
      assert.equal(securityContext.allowPrivilegeEscalation, false);
      assert.equal(securityContext.readOnlyRootFilesystem, true);
      assert.deepEqual(securityContext.capabilities.drop, ['ALL']);
      assert.match(resources.limits.memory, /^\d+Mi$/);
    });
  }

  test('three capabilities, to those who load, attach or remove, and the README lists them', () => {
    assert.deepEqual(documentedCapabilities(), ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON']);
    for (const [name, { securityContext }] of containers)
      assert.deepEqual(
        securityContext.capabilities.add ?? [],
        name.endsWith('done') ? [] : ['BPF', 'NET_ADMIN', 'PERFMON'],
        name,
      );
    const readme = readFileSync(join(DAEMONSET, 'README.md'), 'utf8');
    for (const capability of documentedCapabilities())
      assert.match(readme, new RegExp(`^\\| \`${capability}\` \\|`, 'm'));
  });

  test('of the node: the BPF file system, and its cgroups to read', () => {
    for (const workload of WORKLOADS) {
      const { spec } = templateOf(workload);
      assert.deepEqual([spec.hostNetwork, spec.hostPID], [undefined, undefined]);
      for (const { hostPath } of spec.volumes) assert.ok(['/sys/fs/bpf', '/sys/fs/cgroup'].includes(hostPath.path));
      for (const { volumeMounts = [] } of [...(spec.initContainers ?? []), ...spec.containers])
        for (const { name, mountPath, readOnly = false } of volumeMounts) {
          assert.equal(readOnly, name === 'cgroup');
          assert.doesNotMatch(mountPath, /^\/sys\//, 'AppArmor profiles of container runtimes deny writing there');
        }
    }
  });

  test('the agent and what removes it are of one image, and mean the same pins', () => {
    const of = (read: (container: Container) => string | undefined): Set<string | undefined> =>
      new Set(containers.filter(([name]) => !name.endsWith('done')).map(([, container]) => read(container)));
    assert.equal(of(({ image }) => image).size, 1);
    assert.deepEqual(
      of(({ env }) => env?.find(({ name }) => name === 'PIN_DIRECTORY')?.value),
      new Set(['/host/bpf/merbridge']),
    );
    const [agent, uninstall] = [WORKLOADS[0]!, WORKLOADS[1]!];
    assert.equal(pathOf(agent), pathOf(uninstall)); // so the one takes the place of the other
    assert.deepEqual(
      (agent.spec as { selector: unknown }).selector,
      (uninstall.spec as { selector: unknown }).selector,
    ); // which cannot be changed
  });
});

describe('hostile apply: what removes is never applied with the rest', () => {
  const as = (path: string): Manifest[] => readManifests(path).filter(manifest => manifest?.kind !== undefined);

  test('hostile apply: each object in remove/ lacks a name that the API server takes', () => {
    const files = walked(join(DAEMONSET, 'remove'), true);
    assert.equal(files.length, 2);
    for (const manifest of files.flatMap(as))
      assert.doesNotMatch(manifest.metadata.name, /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, manifest.kind);
  });

  test('hostile apply: nothing outside of deploy/ and remove/ is an object, and no file there is called kustomization.yaml', () => {
    assert.deepEqual(walked(DAEMONSET, false).flatMap(as), []);
    assert.deepEqual(
      walked(DAEMONSET, true)
        .filter(path => as(path).length > 0)
        .map(path => path.slice(DAEMONSET.length + 1)),
      ['deploy/merbridge.yaml', 'remove/uninstall-job.yaml', 'remove/uninstall.yaml'],
    );
    for (const folder of ['deploy', 'remove']) {
      const text = readFileSync(join(DAEMONSET, folder, 'Kustomization'), 'utf8');
      assert.deepEqual(
        /^resources:\n((?: {2}- .*\n)+)/m.exec(text)?.[1],
        folder === 'deploy' ? '  - merbridge.yaml\n' : '  - uninstall.yaml\n',
      );
    }
  });
});

const assets = kubeAssets();
if (assets === undefined) console.log('# no real API server: set KUBEBUILDER_ASSETS, see scripts/kube-apiserver.sh');

describe('on a real API server', () => {
  if (assets === undefined) return;
  let server: ApiServer;
  before(async () => {
    server = await startRealServer(assets);
  });
  after(() => server?.close());

  /** What `kubectl apply --server-side --validate=strict` sends, and with `dryRun` changes nothing. */
  const apply = (manifest: Manifest, dryRun: boolean): Promise<KubeAnswer> =>
    answer({
      url: server.url,
      ca: server.ca,
      token: server.adminToken,
      method: 'PATCH',
      contentType: 'application/apply-patch+yaml',
      body: manifest,
      path: `${pathOf(manifest)}?fieldManager=kubectl&force=true&fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`,
    });

  for (const [file, manifests] of Object.entries(MANIFESTS)) {
    test(`it accepts ${file} as it is, without a warning`, async () => {
      for (const manifest of manifests) {
        const { status, body, warnings } = await apply(manifest, true);
        assert.ok(status === 200 || status === 201, `${manifest.kind}: ${status} ${JSON.stringify(body)}`);
        assert.deepEqual(warnings, [], manifest.kind);
      }
    });
  }

  test('it would not accept a misspelled field', async () => {
    const agent = only('deploy/merbridge.yaml', 'DaemonSet');
    const { status, body } = await apply({ ...agent, spec: { ...(agent.spec as object), updateStrategie: {} } }, true);
    assert.ok(status >= 400);
    assert.match(JSON.stringify(body), /updateStrategie: field not declared in schema/);
  });

  test('it admits the pods that are made of the templates', async () => {
    for (const workload of WORKLOADS) {
      const { metadata, spec } = templateOf(workload);
      const { restartPolicy = 'Always' } = spec as { restartPolicy?: string };
      const pod: Manifest = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...metadata, name: 'pod', namespace: 'kube-system' },
        spec: { ...spec, restartPolicy },
      };
      const { status, body } = await apply(pod, true);
      assert.equal(status, 201, JSON.stringify(body));
    }
  });

  /** What is in the cluster of the agents and of what removes them. */
  const inCluster = async (): Promise<{ daemonSets: string[]; jobs: number; generation: number }> => {
    const list = async (path: string): Promise<Manifest[]> =>
      ((await server.request('GET', path)) as { items: Manifest[] }).items;
    const sets = await list('/apis/apps/v1/namespaces/kube-system/daemonsets');
    const jobs = await list('/apis/batch/v1/namespaces/kube-system/jobs');
    const programs = sets.flatMap(set =>
      [...(templateOf(set).spec.initContainers ?? []), ...templateOf(set).spec.containers].map(
        ({ name }) => `${set.metadata.name}: ${name}`,
      ),
    );
    return {
      daemonSets: programs,
      jobs: jobs.length,
      generation: (sets[0]?.metadata as { generation?: number } | undefined)?.generation ?? 0,
    };
  };
  const clean = async (): Promise<void> => {
    for (const manifest of MANIFESTS['deploy/merbridge.yaml']!)
      await answer({
        url: server.url,
        ca: server.ca,
        token: server.adminToken,
        method: 'DELETE',
        path: pathOf(manifest),
      });
  };

  test('hostile apply: every object of the tree, in the order in which kubectl walks it: the agents stay', async t => {
    await clean();
    const refused: string[] = [];
    for (let round = 0; round < 2; round++) {
      // into an empty cluster, and where the agents are
      for (const path of walked(DAEMONSET, true)) {
        for (const manifest of readManifests(path).filter(({ kind }) => kind !== undefined)) {
          const { status, body } = await apply(manifest, false);
          if (path.includes('/deploy/')) assert.ok(status < 300, JSON.stringify(body));
          else refused.push(`${status} ${(body as { message?: string }).message ?? ''}`);
        }
      }
      assert.deepEqual(await inCluster(), { daemonSets: ['merbridge-agent: agent'], jobs: 0, generation: 1 });
    }
    assert.equal(refused.length, 4);
    for (const text of refused) assert.match(text, /^422 .*metadata\.name: Invalid value/);
    t.diagnostic(refused[1]!);
  });

  test('hostile apply: with the name that a person puts in, the same file takes the place of the agents', async () => {
    await clean();
    for (const manifest of [...MANIFESTS['deploy/merbridge.yaml']!, ...MANIFESTS['remove/uninstall.yaml']!])
      assert.ok((await apply(manifest, false)).status < 300);
    const { daemonSets } = await inCluster();
    assert.ok(daemonSets.includes('merbridge-agent: uninstall'), daemonSets.join());
    await clean();
  });

  test('hostile apply: kubectl itself, where there is one: -f, -R -f and -k of each folder remove nothing, and deploy/ works as it is', async t => {
    const folder = ownedDirectory('kubectl');
    try {
      const ca = join(folder, 'ca.crt');
      writeFileSync(ca, server.ca);
      const run = (...args: string[]): Promise<{ code: number; stderr: string }> =>
        new Promise(resolve => {
          execFile(
            'kubectl',
            [
              `--server=${server.url}`,
              `--token=${server.adminToken}`,
              `--certificate-authority=${ca}`,
              `--cache-dir=${folder}`,
              ...args,
            ],
            { cwd: DAEMONSET, env: { PATH: process.env.PATH, HOME: folder } },
            (error, _, stderr) => resolve({ code: error === null ? 0 : Number(error.code ?? 1) || 1, stderr }),
          );
        });
      if ((await run('version', '--client')).code !== 0)
        return t.diagnostic('no kubectl here: its order of files was gone through above');
      const there = { daemonSets: ['merbridge-agent: agent'], jobs: 0, generation: 1 };
      for (const args of [
        ['-f', 'deploy/'],
        ['-k', 'deploy/'],
        ['-R', '-f', 'deploy/'],
      ]) {
        await clean();
        assert.deepEqual((await inCluster()).daemonSets, []);
        assert.deepEqual(await run('apply', ...args), { code: 0, stderr: '' }, args.join(' '));
        assert.deepEqual(await inCluster(), there, args.join(' '));
      }
      for (const args of [
        ['-f', '.'],
        ['-R', '-f', '.'],
        ['-f', 'remove/'],
        ['-k', 'remove/'],
        ['-f', 'deploy/', '-f', 'remove/'],
        ['--server-side', '-R', '-f', '.'],
        ['--validate=false', '-R', '-f', '.'],
      ]) {
        const { code, stderr } = await run('apply', ...args);
        assert.notEqual(code, 0, args.join(' '));
        assert.deepEqual(await inCluster(), there, args.join(' '));
        t.diagnostic(
          `kubectl apply ${args.join(' ')}: exit code ${code}; ${stderr
            .split('\n')
            .find(line => /Invalid value|apiVersion/.test(line))
            ?.trim()
            .slice(0, 160)}`,
        );
      }
      await clean();
      const { code, stderr } = await run('apply', '-R', '-f', '.'); // into an empty cluster
      assert.ok(code !== 0 && /metadata.name: Invalid value/.test(stderr), stderr);
      assert.deepEqual(await inCluster(), there);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('kubectl apply --dry-run=server accepts them, where there is a kubectl', async t => {
    const folder = ownedDirectory('kubectl');
    try {
      const ca = join(folder, 'ca.crt');
      writeFileSync(ca, server.ca);
      // Not synchronous: the server's proxy is in this process.
      const run = (...args: string[]) =>
        promisify(execFile)(
          'kubectl',
          [
            `--server=${server.url}`,
            `--token=${server.adminToken}`,
            `--certificate-authority=${ca}`,
            `--cache-dir=${folder}`,
            ...args,
          ],
          { env: { PATH: process.env.PATH, HOME: folder } },
        );
      if (
        !(await run('version', '--client').then(
          () => true,
          () => false,
        ))
      )
        return t.diagnostic('no kubectl here: the same requests were made above');
      for (const file of ['deploy/merbridge.yaml', 'remove/uninstall.yaml', 'remove/uninstall-job.yaml']) {
        const path = join(folder, basename(file));
        writeFileSync(path, filledIn(readFileSync(join(DAEMONSET, file), 'utf8')));
        const { stdout, stderr } = await run('apply', '--dry-run=server', '-f', path);
        assert.equal(stderr, '');
        for (const line of stdout.trim().split('\n')) t.diagnostic(line);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('with the account of the manifest the agent lists and watches pods, and may do nothing else', async t => {
    for (const manifest of MANIFESTS['deploy/merbridge.yaml']!) assert.ok((await apply(manifest, false)).status < 300);
    const {
      metadata: { namespace, name },
    } = only('deploy/merbridge.yaml', 'ServiceAccount');
    assert.equal(templateOf(WORKLOADS[0]!).spec.serviceAccountName, name);
    const token = await server.tokenOf({ namespace: namespace!, name });
    const ask = (method: string, path: string, body?: unknown): Promise<KubeAnswer> =>
      answer({ url: server.url, ca: server.ca, token, method, path, body });

    const node = 'fieldSelector=spec.nodeName%3Dworker-1';
    assert.equal((await ask('GET', `/api/v1/pods?${node}`)).status, 200);
    assert.equal((await ask('GET', `/api/v1/pods?${node}&watch=1&timeoutSeconds=1`)).status, 200);

    const pods = '/api/v1/namespaces/kube-system/pods';
    const refused: readonly [string, string, unknown?][] = [
      ['GET', `${pods}/one`],
      ['GET', `${pods}/one/log`],
      ['GET', `${pods}/one/exec?command=id`],
      ['POST', `${pods}/one/exec?command=id`],
      [
        'POST',
        pods,
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'one' },
          spec: { containers: [{ name: 'one', image: 'one' }] },
        },
      ],
      ['DELETE', `${pods}/one`],
      ['DELETE', pods],
      ['PATCH', `${pods}/one`, {}],
      ['POST', `${pods}/one/eviction`, {}],
      ['PATCH', `${pods}/one/status`, {}],
      ['GET', '/api/v1/secrets'],
      ['GET', '/api/v1/namespaces/kube-system/secrets/one'],
      ['GET', '/api/v1/configmaps'],
      ['GET', '/api/v1/nodes'],
      ['GET', '/api/v1/nodes/worker-1/proxy/pods'],
      ['GET', '/api/v1/namespaces'],
      ['GET', '/api/v1/services'],
      ['GET', '/apis/apps/v1/daemonsets'],
      [
        'POST',
        `/api/v1/namespaces/kube-system/serviceaccounts/${name}/token`,
        { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' },
      ],
      ['GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles'],
      ['POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {}],
    ];
    for (const [method, path, body] of refused)
      assert.equal((await ask(method, path, body)).status, 403, `${method} ${path}`);

    // Not only what came to mind: all that the server knows of this account.
    const rules = await ask('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectRulesReview',
      spec: { namespace: 'kube-system' },
    });
    const { resourceRules, incomplete } = (
      rules.body as { status: { incomplete: boolean; resourceRules: { verbs: string[]; resources: string[] }[] } }
    ).status;
    assert.equal(incomplete, false);
    const granted = resourceRules
      .map(({ verbs, resources }) => `${[...verbs].sort().join()} ${[...resources].sort().join()}`)
      .sort();
    assert.deepEqual(granted, [
      'create selfsubjectaccessreviews,selfsubjectrulesreviews',
      'create selfsubjectreviews', // everybody may ask what it may
      'list,watch pods',
    ]);
    t.diagnostic(`granted: ${granted.join('; ')}; ${refused.length} other requests refused with 403`);
  });
});
