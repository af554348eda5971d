/**
 * An API server for pods only, in this process: list with pages, watch with bookmarks, versions, 410, tokens. What it
 * does wrong when it is told to is what real ones do on bad days.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { selfSigned } from './certificate';
import { PodStore, StoreError, type StoredEvent, type StoredPod } from './pod-store';
import { bodyOf } from './request';
import type { ApiServer } from './server';

/** What the next request for pods gets, instead of an answer. */
export interface Fault {
  /** Only lists, or only watches; default both. */
  readonly of?: 'list' | 'watch';
  /** This status. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** This body, with status 200 if there is none given. */
  readonly body?: string | Buffer;
  /** The body in pieces, with a pause between them; then the connection is cut. */
  readonly pieces?: readonly Buffer[];
  /** Nothing at all, not even a head: the connection stays open. */
  readonly stall?: boolean;
}

interface OpenWatch {
  readonly response: ServerResponse;
  readonly node: string | undefined;
  stalled: boolean;
  stop(): void;
}

export class LocalServer implements ApiServer {
  readonly adminToken = randomBytes(16).toString('hex');
  readonly store = new PodStore();
  /** Faults, the next one first. */
  readonly faults: Fault[] = [];
  /** What was asked for pods with a GET, in order. */
  readonly requests: URL[] = [];
  /** Honours `limit` even where a real server answers from its cache. */
  paginate = false;
  /** Called when a list, or a page of one, was sent. */
  afterList: (() => void) | undefined;
  ca: string;
  url = '';
  readonly #tokens = new Map<string, { account: string; valid: boolean }>();
  readonly #watches = new Set<OpenWatch>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  /** Accounts that may not see pods. */
  readonly #forbidden = new Set<string>();

  private constructor() {
    const { key, cert } = selfSigned();
    this.ca = cert;
    this.#server = createServer({ key, cert }, (request, response) => void this.#answer(request, response));
    this.#server.keepAliveTimeout = 0;
    // Those in the middle of their handshake, too.
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(): Promise<LocalServer> {
    const server = new LocalServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    server.url = `https://127.0.0.1:${(server.#server.address() as AddressInfo).port}`;
    return server;
  }

  tokenOf({ namespace, name }: { readonly namespace: string; readonly name: string }): Promise<string> {
    const token = randomBytes(16).toString('hex');
    this.#tokens.set(token, { account: `${namespace}/${name}`, valid: true });
    return Promise.resolve(token);
  }

  /** The token is not accepted any more. */
  expire(token: string): void {
    this.#tokens.set(token, { account: this.#tokens.get(token)?.account ?? '', valid: false });
  }

  /** Takes the right to list and watch pods away, or gives it back. */
  forbid(account: string, forbidden = true): void {
    if (forbidden) this.#forbidden.add(account);
    else this.#forbidden.delete(account);
  }

  /** Changes the certificate for new connections. */
  rotateCertificate(): void {
    const { key, cert } = selfSigned();
    this.ca = cert;
    this.#server.setSecureContext({ key, cert });
  }

  request(method: string, path: string, body?: unknown): Promise<unknown> {
    const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    return bodyOf({ url: this.url, ca: this.ca, token: this.adminToken, method, path, body, contentType });
  }

  /** How many watches are open. */
  get watches(): number {
    return this.#watches.size;
  }

  /** Sends a bookmark to all watches. */
  bookmark(): void {
    const object = { kind: 'Pod', apiVersion: 'v1', metadata: { resourceVersion: String(this.store.version) } };
    for (const { response, stalled } of this.#watches) if (!stalled) response.write(line('BOOKMARK', object));
  }

  /** Writes something into all open watches as it is. */
  inject(bytes: string | Buffer): void {
    for (const { response } of this.#watches) response.write(bytes);
  }

  /** Tells all open watches that their version is gone, and ends them. */
  expireWatches(): void {
    for (const { response } of this.#watches)
      response.end(line('ERROR', status(410, 'Expired', 'too old resource version')));
  }

  /** Open watches stay open and say nothing any more, as behind a dead network. */
  stallWatches(): void {
    for (const watch of this.#watches) watch.stalled = true;
  }

  cut(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return Promise.resolve();
  }

  /**
   * The state of etcd stays, and what only the process knew goes: connections, and what happened before. Also after
   * {@link close}.
   */
  async restart(): Promise<void> {
    await this.close();
    this.store.compact();
    this.#server.listen(Number(new URL(this.url).port), '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    await this.cut();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    try {
      const url = new URL(request.url ?? '/', 'https://server');
      const account = this.#account(request);
      if (request.method === 'GET' && url.pathname === '/api/v1/pods') {
        this.#pods(url, account, response);
        return;
      }
      const result = this.#write(request.method ?? '', url, await json(request));
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(result));
    } catch (error) {
      const {
        status: code,
        reason,
        message,
      } = error instanceof StoreError ? error : new StoreError(500, 'InternalError', String(error));
      response.writeHead(code, { 'content-type': 'application/json' });
      response.end(JSON.stringify(status(code, reason, message)));
    }
  }

  #account({ headers }: IncomingMessage): string {
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
    if (token === this.adminToken) return 'admin';
    const known = this.#tokens.get(token);
    if (known?.valid !== true) throw new StoreError(401, 'Unauthorized', 'Unauthorized');
    return known.account;
  }

  #pods(url: URL, account: string, response: ServerResponse): void {
    this.requests.push(url);
    const kind = url.searchParams.get('watch') === null ? 'list' : 'watch';
    const index = this.faults.findIndex(({ of = kind }) => of === kind);
    if (index >= 0) {
      void misbehave(this.faults.splice(index, 1)[0]!, response);
      return;
    }
    if (this.#forbidden.has(account))
      throw new StoreError(
        403,
        'Forbidden',
        `pods is forbidden: User "${account}" cannot ${kind} resource "pods" in API group ""`,
      );
    const node = /^spec\.nodeName=(.+)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1];
    if (kind === 'watch') this.#watch(url, node, response);
    else this.#list(url, node, response);
  }

  #list({ searchParams }: URL, node: string | undefined, response: ServerResponse): void {
    const all = this.store.list().filter(({ spec }) => node === undefined || spec.nodeName === node);
    const fromCache = !this.paginate && searchParams.get('resourceVersion') === '0';
    const limit = fromCache ? Infinity : Number(searchParams.get('limit') ?? Infinity);
    // Real servers answer a continued list from the version in the token. This one has no history: tests that page do
    // not write meanwhile.
    const [version = this.store.version, start = 0] = (searchParams.get('continue') ?? '')
      .split('.')
      .filter(Boolean)
      .map(Number);
    if (!this.store.knows(version)) throw new StoreError(410, 'Expired', 'The provided continue parameter is too old');
    const items = all.slice(start, start + limit);
    const end = start + items.length;
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        kind: 'PodList',
        apiVersion: 'v1',
        items,
        metadata: {
          resourceVersion: String(version),
          ...(end < all.length && { continue: `${version}.${end}`, remainingItemCount: all.length - end }),
        },
      }),
    );
    this.afterList?.();
  }

  #watch({ searchParams }: URL, node: string | undefined, response: ServerResponse): void {
    const send = ({ type, pod }: StoredEvent): void => {
      if (!watch.stalled && (node === undefined || pod.spec.nodeName === node)) response.write(line(type, pod));
    };
    const { past, stop } = this.store.watch(Number(searchParams.get('resourceVersion')), send);
    const end = setTimeout(
      () => {
        if (!watch.stalled) response.end();
      },
      Number(searchParams.get('timeoutSeconds') ?? 1800) * 1000,
    );
    const watch: OpenWatch = { response, node, stalled: false, stop };
    this.#watches.add(watch);
    response.once('close', () => {
      clearTimeout(end);
      stop();
      this.#watches.delete(watch);
    });
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const event of past) send(event);
  }

  #write(method: string, { pathname }: URL, body: Partial<StoredPod>): unknown {
    const namespaces = /^\/api\/v1\/namespaces(\/[^/]+)?$/.exec(pathname);
    if (namespaces !== null) return body; // every namespace is there
    const account = /^\/api\/v1\/namespaces\/[^/]+\/serviceaccounts$/.exec(pathname);
    if (account !== null) return body;
    const [, namespace, name, part] =
      /^\/api\/v1\/namespaces\/([^/]+)\/pods(?:\/([^/]+)(\/status)?)?$/.exec(pathname) ?? [];
    if (namespace === undefined) throw new StoreError(404, 'NotFound', `no such path: ${pathname}`);
    if (name === undefined && method === 'POST') return this.store.create(namespace, body);
    if (name === undefined) throw new StoreError(405, 'MethodNotAllowed', `${method} ${pathname}`);
    switch (method) {
      case 'GET':
        return this.store.get(namespace, name);
      case 'PATCH':
        return this.store.patch(namespace, name, body, part === undefined ? 'rest' : 'status');
      case 'DELETE':
        return this.store.delete(namespace, name);
      default:
        throw new StoreError(405, 'MethodNotAllowed', `${method} ${pathname}`);
    }
  }
}

async function misbehave(
  { status: code, headers = {}, body, pieces, stall }: Fault,
  response: ServerResponse,
): Promise<void> {
  if (stall === true) return;
  response.writeHead(code ?? 200, { 'content-type': 'application/json', ...headers });
  if (pieces === undefined) {
    response.end(body ?? JSON.stringify(status(code ?? 200, 'Fault', 'as the test wants it')));
    return;
  }
  for (const piece of pieces) {
    response.write(piece);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  response.destroy();
}

/** One line of a watch. */
export function line(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`;
}

function status(code: number, reason: string, message: string): unknown {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
}

async function json(request: IncomingMessage): Promise<Partial<StoredPod>> {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece as string;
  return text === '' ? {} : (JSON.parse(text) as Partial<StoredPod>);
}
