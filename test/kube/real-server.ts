/**
 * A real kube-apiserver with its etcd on loopback, as `scripts/kube-apiserver.sh` provides them: RBAC, service account
 * tokens, admission.
 *
 * There is no controller manager: nothing makes pods of a DaemonSet, a default service account or a token by itself.
 * test/node/ adds one.
 */
import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onAbnormalEnd } from '../bed/abnormal-end';
import { removeUntilGone } from '../bed/gone';
import { startTime } from '../bed/processes';
import { sh } from '../bed/shell';
import { CuttingProxy } from './cutting-proxy';
import { Program, freePorts } from './programs';
import { answer, bodyOf } from './request';
import type { ApiServer } from './server';

const PREFIX = 'merbridge-kube-';
const READY_MS = 60_000;
/** Where pods look for the server: the first address of its Services. */
export const API_SERVICE = '10.96.0.1';

/** Where the two programs are, by the convention of the field; undefined if there is no real server on this machine. */
export function kubeAssets(): string | undefined {
  const folder = process.env.KUBEBUILDER_ASSETS;
  if (folder === undefined || folder === '') return undefined;
  for (const name of ['kube-apiserver', 'etcd']) accessSync(join(folder, name), constants.X_OK);
  return folder;
}

/** What a server is for, if not for one test on loopback. */
export interface RealServerOptions {
  /** The address of a node: its pods reach the server there, and there are controllers that make service accounts. */
  readonly nodeAddress?: string;
}

/**
 * Starts a server of its own, with nothing in it. Somebody else may take a port between its choice and its use: then
 * others are tried.
 */
export async function startRealServer(assets: string, options: RealServerOptions = {}): Promise<RealServer> {
  sweep();
  for (let attempt = 1; ; attempt += 1) {
    const server = new RealServer(assets, options);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.close();
      if (attempt === 3 || !/address already in use/.test(String(error))) throw error;
    }
  }
}

/** etcd and kube-apiserver, with the keys of their cluster. */
export class RealServer implements ApiServer {
  readonly adminToken = randomBytes(16).toString('hex');
  ca = '';
  url = '';
  /** Keys of the cluster, and what the programs print. */
  readonly directory: string;
  readonly #assets: string;
  readonly #nodeAddress: string | undefined;
  readonly #forget: () => void;
  #etcd: Program | undefined;
  #apiServer: Program | undefined;
  #proxy: CuttingProxy | undefined;
  #etcdPort = 0;
  #port = 0;

  constructor(assets: string, { nodeAddress }: RealServerOptions) {
    this.#assets = assets;
    this.#nodeAddress = nodeAddress;
    this.directory = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}.${startTime(process.pid)}.`));
    this.#forget = onAbnormalEnd(() => {
      this.#apiServer?.kill();
      this.#etcd?.kill();
      removeDirectory(this.directory);
    });
  }

  /** Of the server itself: {@link url} has a proxy's, which can cut connections. */
  get port(): number {
    return this.#port;
  }

  /** Path of a file with keys: `tls.crt`, `tls.key`, `accounts.key`. */
  file(name: string): string {
    return join(this.directory, name);
  }

  async start(): Promise<void> {
    const [etcdPort, peerPort, port] = (await freePorts(3)) as [number, number, number];
    this.#etcdPort = etcdPort;
    this.#port = port;
    this.#writeKeys();
    const client = `http://127.0.0.1:${etcdPort}`;
    const peer = `http://127.0.0.1:${peerPort}`;
    this.#etcd = new Program('etcd', this.directory, join(this.#assets, 'etcd'), [
      '--name=test',
      `--data-dir=${join(this.directory, 'etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=test=${peer}`,
    ]);
    this.#startApiServer(); // it waits for etcd by itself
    await this.#ready();
    this.#proxy = await CuttingProxy.start(port);
    this.url = `https://127.0.0.1:${this.#proxy.port}`;
  }

  async tokenOf({ namespace, name }: { readonly namespace: string; readonly name: string }): Promise<string> {
    const answered = await this.request('POST', `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 3600 },
    });
    return (answered as { status: { token: string } }).status.token;
  }

  request(method: string, path: string, body?: unknown): Promise<unknown> {
    return bodyOf({ url: this.url, ca: this.ca, token: this.adminToken, method, path, body });
  }

  cut(): Promise<void> {
    this.#proxy?.cut();
    return Promise.resolve();
  }

  async restart(): Promise<void> {
    await this.#apiServer?.end();
    await this.cut();
    this.#startApiServer();
    await this.#ready();
  }

  async close(): Promise<void> {
    await this.#proxy?.close();
    await this.#apiServer?.end();
    await this.#etcd?.end();
    this.#proxy = this.#apiServer = this.#etcd = undefined;
    removeDirectory(this.directory);
    this.#forget();
  }

  /** One certificate that signs itself, a key for service account tokens, and the administrator's token. */
  #writeKeys(): void {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    sh('openssl', [
      'req',
      '-x509',
      ...curve,
      '-days',
      '2',
      '-subj',
      '/CN=merbridge-test',
      '-addext',
      `subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc${
        this.#nodeAddress === undefined ? '' : `,IP:${this.#nodeAddress},IP:${API_SERVICE}`
      }`,
      '-keyout',
      this.file('tls.key'),
      '-out',
      this.file('tls.crt'),
    ]);
    sh('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', this.file('accounts.key')]);
    writeFileSync(this.file('tokens.csv'), `${this.adminToken},admin,admin,"system:masters"\n`, { mode: 0o600 });
    this.ca = readFileSync(this.file('tls.crt'), 'utf8');
  }

  #startApiServer(): void {
    this.#apiServer = new Program('kube-apiserver', this.directory, join(this.#assets, 'kube-apiserver'), [
      `--etcd-servers=http://127.0.0.1:${this.#etcdPort}`,
      `--secure-port=${this.#port}`,
      `--tls-cert-file=${this.file('tls.crt')}`,
      `--tls-private-key-file=${this.file('tls.key')}`,
      `--token-auth-file=${this.file('tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--enable-aggregator-routing=true', // webhooks are called at their endpoints: there is no kube-proxy
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${this.file('accounts.key')}`,
      `--service-account-signing-key-file=${this.file('accounts.key')}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--endpoint-reconciler-type=none',
      '--profiling=false',
      ...(this.#nodeAddress === undefined
        ? [
            '--bind-address=127.0.0.1',
            '--advertise-address=127.0.0.1',
            '--disable-admission-plugins=ServiceAccount', // nobody here makes the accounts that it would want
          ]
        : [
            '--bind-address=0.0.0.0',
            `--advertise-address=${this.#nodeAddress}`,
            '--kubelet-preferred-address-types=InternalIP', // no name of a node is resolved
          ]),
    ]);
  }

  /** Asks the server itself: the proxy may not be there yet. */
  async #ready(): Promise<void> {
    const end = Date.now() + READY_MS;
    for (;;) {
      for (const program of [this.#etcd, this.#apiServer])
        if (program?.running !== true) throw new Error(`${program?.name} ended${program?.tail()}`);
      const ready = await answer({
        url: `https://127.0.0.1:${this.#port}`,
        ca: this.ca,
        token: this.adminToken,
        path: '/readyz',
      }).then(
        ({ status }) => status === 200,
        () => false,
      );
      if (ready) return;
      if (Date.now() > end)
        throw new Error(`no API server within ${READY_MS} ms${this.#etcd?.tail()}${this.#apiServer?.tail()}`);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }
}

/** Removes what killed runs left: their programs died with them, their directories did not. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, pid, started] = /^merbridge-kube-(\d+)\.(\d+)\./.exec(name) ?? [];
    if (pid !== undefined && startTime(Number(pid)) !== started) removeDirectory(join(tmpdir(), name));
  }
}

/** Its programs may still be ending, and write until then. */
function removeDirectory(path: string): void {
  removeUntilGone(path, () => rmSync(path, { recursive: true, force: true }));
}
