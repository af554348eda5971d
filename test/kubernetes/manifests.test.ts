/** The manifests of the example: what they grant, that an API server takes them, and what their service account may do there. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { ownedDirectory } from '../bed/owned';
import { DAEMONSET, MANIFESTS, documentedCapabilities, only, pathOf, templateOf, type Container, type Manifest } from '../kube/manifests';
import { kubeAssets, startRealServer } from '../kube/real-server';
import { answer, type KubeAnswer } from '../kube/request';
import type { ApiServer } from '../kube/server';

const WORKLOADS = [
  only('merbridge.yaml', 'DaemonSet'), only('uninstall.yaml', 'DaemonSet'), only('uninstall-job.yaml', 'Job'),
];

describe('what is granted', () => {
  const containers = WORKLOADS.flatMap(workload => {
    const { initContainers = [], containers: main } = templateOf(workload).spec;
    return [...initContainers, ...main].map((container): [string, Container] => [`${workload.kind} ${workload.metadata.name}, ${container.name}`, container]);
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
      assert.deepEqual(securityContext.capabilities.add ?? [], name.endsWith('done') ? [] : ['BPF', 'NET_ADMIN', 'PERFMON'], name);
    const readme = readFileSync(join(DAEMONSET, 'README.md'), 'utf8');
    for (const capability of documentedCapabilities()) assert.match(readme, new RegExp(`^\\| \`${capability}\` \\|`, 'm'));
  });

  test("of the node: the BPF file system, and its cgroups to read", () => {
    for (const workload of WORKLOADS) {
      const { spec } = templateOf(workload);
      assert.deepEqual([spec.hostNetwork, spec.hostPID], [undefined, undefined]);
      for (const { hostPath } of spec.volumes) assert.ok(['/sys/fs/bpf', '/sys/fs/cgroup'].includes(hostPath.path));
      for (const { volumeMounts = [] } of [...spec.initContainers ?? [], ...spec.containers])
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
    assert.deepEqual(of(({ env }) => env?.find(({ name }) => name === 'PIN_DIRECTORY')?.value), new Set(['/host/bpf/merbridge']));
    const [agent, uninstall] = [WORKLOADS[0]!, WORKLOADS[1]!];
    assert.equal(pathOf(agent), pathOf(uninstall)); // so the one takes the place of the other
    assert.deepEqual((agent.spec as { selector: unknown }).selector, (uninstall.spec as { selector: unknown }).selector); // which cannot be changed
  });
});

const assets = kubeAssets();
if (assets === undefined) console.log('# no real API server: set KUBEBUILDER_ASSETS, see scripts/kube-apiserver.sh');

describe('on a real API server', () => {
  if (assets === undefined) return;
  let server: ApiServer;
  before(async () => { server = await startRealServer(assets); });
  after(() => server?.close());

  /** What `kubectl apply --server-side --validate=strict` sends, and with `dryRun` changes nothing. */
  const apply = (manifest: Manifest, dryRun: boolean): Promise<KubeAnswer> => answer({
    url: server.url, ca: server.ca, token: server.adminToken, method: 'PATCH', contentType: 'application/apply-patch+yaml', body: manifest,
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
    const agent = only('merbridge.yaml', 'DaemonSet');
    const { status, body } = await apply({ ...agent, spec: { ...agent.spec as object, updateStrategie: {} } }, true);
    assert.ok(status >= 400);
    assert.match(JSON.stringify(body), /updateStrategie: field not declared in schema/);
  });

  test('it admits the pods that are made of the templates', async () => {
    for (const workload of WORKLOADS) {
      const { metadata, spec } = templateOf(workload);
      const { restartPolicy = 'Always' } = spec as { restartPolicy?: string };
      const pod: Manifest = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'pod', namespace: 'kube-system' }, spec: { ...spec, restartPolicy } };
      const { status, body } = await apply(pod, true);
      assert.equal(status, 201, JSON.stringify(body));
    }
  });

  test('kubectl apply --dry-run=server accepts them, where there is a kubectl', async t => {
    const folder = ownedDirectory('kubectl');
    try {
      const ca = join(folder, 'ca.crt');
      writeFileSync(ca, server.ca);
      // Not synchronous: the server's proxy is in this process.
      const run = (...args: string[]) => promisify(execFile)('kubectl', [
        `--server=${server.url}`, `--token=${server.adminToken}`, `--certificate-authority=${ca}`, `--cache-dir=${folder}`, ...args,
      ], { env: { PATH: process.env.PATH, HOME: folder } });
      if (!await run('version', '--client').then(() => true, () => false)) return t.diagnostic('no kubectl here: the same requests were made above');
      for (const file of ['merbridge.yaml', 'uninstall.yaml', 'uninstall-job.yaml']) {
        const path = join(folder, file);
        writeFileSync(path, readFileSync(join(DAEMONSET, file), 'utf8').replace(/NODE(?!_)/g, 'worker-1'));
        const { stdout, stderr } = await run('apply', '--dry-run=server', '-f', path);
        assert.equal(stderr, '');
        for (const line of stdout.trim().split('\n')) t.diagnostic(line);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('with the account of the manifest the agent lists and watches pods, and may do nothing else', async t => {
    for (const manifest of MANIFESTS['merbridge.yaml']!) assert.ok((await apply(manifest, false)).status < 300);
    const { metadata: { namespace, name } } = only('merbridge.yaml', 'ServiceAccount');
    assert.equal(templateOf(WORKLOADS[0]!).spec.serviceAccountName, name);
    const token = await server.tokenOf({ namespace: namespace!, name });
    const ask = (method: string, path: string, body?: unknown): Promise<KubeAnswer> => answer({ url: server.url, ca: server.ca, token, method, path, body });

    const node = 'fieldSelector=spec.nodeName%3Dworker-1';
    assert.equal((await ask('GET', `/api/v1/pods?${node}`)).status, 200);
    assert.equal((await ask('GET', `/api/v1/pods?${node}&watch=1&timeoutSeconds=1`)).status, 200);

    const pods = '/api/v1/namespaces/kube-system/pods';
    const refused: readonly [string, string, unknown?][] = [
      ['GET', `${pods}/one`], ['GET', `${pods}/one/log`], ['GET', `${pods}/one/exec?command=id`], ['POST', `${pods}/one/exec?command=id`],
      ['POST', pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'one' }, spec: { containers: [{ name: 'one', image: 'one' }] } }],
      ['DELETE', `${pods}/one`], ['DELETE', pods], ['PATCH', `${pods}/one`, {}], ['POST', `${pods}/one/eviction`, {}], ['PATCH', `${pods}/one/status`, {}],
      ['GET', '/api/v1/secrets'], ['GET', '/api/v1/namespaces/kube-system/secrets/one'], ['GET', '/api/v1/configmaps'], ['GET', '/api/v1/nodes'],
      ['GET', '/api/v1/nodes/worker-1/proxy/pods'], ['GET', '/api/v1/namespaces'], ['GET', '/api/v1/services'], ['GET', '/apis/apps/v1/daemonsets'],
      ['POST', `/api/v1/namespaces/kube-system/serviceaccounts/${name}/token`, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' }],
      ['GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles'], ['POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {}],
    ];
    for (const [method, path, body] of refused) assert.equal((await ask(method, path, body)).status, 403, `${method} ${path}`);

    // Not only what came to mind: all that the server knows of this account.
    const rules = await ask('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', {
      apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace: 'kube-system' },
    });
    const { resourceRules, incomplete } = (rules.body as { status: { incomplete: boolean; resourceRules: { verbs: string[]; resources: string[] }[] } }).status;
    assert.equal(incomplete, false);
    const granted = resourceRules.map(({ verbs, resources }) => `${[...verbs].sort().join()} ${[...resources].sort().join()}`).sort();
    assert.deepEqual(granted, [
      'create selfsubjectaccessreviews,selfsubjectrulesreviews', 'create selfsubjectreviews', // everybody may ask what it may
      'list,watch pods',
    ]);
    t.diagnostic(`granted: ${granted.join('; ')}; ${refused.length} other requests refused with 403`);
  });
});
