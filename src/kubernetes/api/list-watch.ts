import { setTimeout } from 'node:timers/promises';
import { printable, quoted } from '../../errors';
import type { ApiAccess } from './api-access';
import { get, pieces, readAll, statusError } from './api-request';
import { Backoff } from './backoff';
import { KubernetesError } from '../errors';
import { isPod, type KubernetesPod } from '../sources/kubernetes-pod';
import { asError } from '../sources/report';
import { Secrets } from './secrets';
import { lines } from './watch-lines';

/** Limits for the size of responses. An object in etcd has at most 1.5 MiB. */
const MAX_OBJECT_BYTES = 16 * 1024 * 1024;
const MAX_PAGE_BYTES = 64 * 1024 * 1024;

const PAGE = 500;

/** A list request is aborted if the server sends nothing for this time. */
const LIST_SILENCE_MS = 30_000;
/**
 * Limits for a complete list: time, pages and characters. A faulty server might return a token for another page
 * forever.
 */
const LIST_MS = 120_000;
const MAX_PAGES = 1000;
const MAX_LIST_LENGTH = 2 * MAX_PAGE_BYTES;

/** Grace period for a server that ends a watch late. For a short watch it is at most the duration of the watch. */
const GRACE_MS = 15_000;

/**
 * A watch that ends sooner counts as a failure, whatever it delivered. Otherwise a broken server would be asked in a
 * tight loop.
 */
const SHORT_WATCH_MS = 1_000;

/** Delays before a retry, in milliseconds, 1 to 3600000. */
export interface RetryTimes {
  /** Delay after the first failure. It doubles with each failure. Default: 500. */
  readonly initialMs?: number | undefined;
  /** Maximum delay. Default: 30000. */
  readonly maxMs?: number | undefined;
  /** Delay after a 403, which only a person can fix. Default: 60000. */
  readonly forbiddenMs?: number | undefined;
}

/**
 * Receives what a {@link ListWatch} finds.
 *
 * @internal
 */
export interface ListWatchHandler {
  /**
   * Receives the complete list of pods.
   *
   * @param pods - all pods that match the query
   */
  list(pods: readonly KubernetesPod[]): void;
  changed(pod: KubernetesPod): void;
  deleted(uid: string): void;
  failed(error: Error): void;
  disconnected(reason: Error, retryInMs: number): void;
}

/** @internal */
export interface ListWatchOptions {
  readonly access: ApiAccess;
  /** Query of the pods, such as `fieldSelector=…`. */
  readonly query: Readonly<Record<string, string>>;
  readonly watchSeconds: number;
  readonly retry: Required<RetryTimes>;
  readonly handler: ListWatchHandler;
}

/** After these errors, the watch resumes at the same version. */
const RESUMABLE: ReadonlySet<string | undefined> = new Set([
  'ERR_KUBERNETES_UNAVAILABLE',
  'ERR_KUBERNETES_BUSY',
  'ERR_KUBERNETES_UNAUTHORIZED',
  'ERR_KUBERNETES_FORBIDDEN',
  'ERR_KUBERNETES_CONFIG',
]);

/** 410 Gone: the server no longer has the requested version. */
class Gone extends Error {}

/**
 * List and watch, the standard pattern of Kubernetes clients.
 *
 * @internal
 */
export class ListWatch {
  readonly #options: ListWatchOptions;
  readonly #stop = new AbortController();
  readonly #backoff: Backoff;
  readonly #forbidden: Backoff;
  readonly #secrets = new Secrets();
  #page = PAGE;
  /** Version up to which everything is known. `undefined` if everything has to be listed. */
  #version: string | undefined;
  /** Minimum version of the list. `'0'` accepts the server's cache; an empty string requests the latest version. */
  #listVersion = '0';
  #gone = 0;

  constructor(options: ListWatchOptions) {
    this.#options = options;
    const { initialMs, maxMs, forbiddenMs } = options.retry;
    this.#backoff = new Backoff(initialMs, maxMs);
    this.#forbidden = new Backoff(forbiddenMs, forbiddenMs * 4);
  }

  /** Runs until {@link close}. It never rejects, because its handler does not throw. */
  async run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list();
        await this.#watch();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        await this.#recover(error);
      }
    }
  }

  close(): void {
    this.#stop.abort();
  }

  async #list(): Promise<void> {
    const pods: KubernetesPod[] = [];
    let limit: number | undefined = this.#page;
    let next: string | undefined;
    let length = 0;
    const deadline = performance.now() + LIST_MS;
    for (let count = 1; ; count++) {
      // The token of a continued list determines its version.
      const query: Record<string, string> = {
        ...(next === undefined && this.#listVersion !== '' && { resourceVersion: this.#listVersion }),
        ...(limit !== undefined && { limit: String(limit) }),
        ...(next !== undefined && { continue: next }),
      };
      try {
        const { page, characters } = await this.#listPage(query, Math.max(1, deadline - performance.now()));
        pods.push(...page.items);
        next = page.metadata.continue;
        length += characters;
        if (next === undefined || next === '') {
          this.#version = page.metadata.resourceVersion;
          break;
        }
        if (count >= MAX_PAGES || length > MAX_LIST_LENGTH)
          throw new KubernetesError(
            'ERR_KUBERNETES_PROTOCOL',
            `a list without end: ${pods.length} pods in ${count} pages`,
          );
      } catch (error) {
        // The token expired: request the whole list at once, which cannot expire half-way.
        if (!(error instanceof Gone) || next === undefined) throw error;
        pods.length = length = 0;
        next = limit = undefined;
        this.#listVersion = '';
      }
    }
    this.#listVersion = this.#version;
    this.#options.handler.list(pods);
  }

  async #listPage(query: Record<string, string>, totalMs: number): Promise<{ page: PodList; characters: number }> {
    const response = await this.#get(query, LIST_SILENCE_MS, totalMs);
    let text: string;
    try {
      text = await readAll(response, MAX_PAGE_BYTES);
    } catch (error) {
      // Request smaller pages next time.
      if (codeOf(error) === 'ERR_KUBERNETES_PROTOCOL') this.#page = Math.max(1, this.#page >> 2);
      throw error;
    }
    const page = this.#parse(text);
    if (!isPodList(page)) throw new KubernetesError('ERR_KUBERNETES_PROTOCOL', 'the answer is not a list of pods');
    return { page, characters: text.length };
  }

  async #watch(): Promise<void> {
    // Spread over time, so that not all agents reconnect together after a restart of the server.
    const seconds = Math.ceil(this.#options.watchSeconds * (0.75 + Math.random() / 4));
    const began = performance.now();
    let lasted: boolean;
    const patience = seconds * 1000 + Math.min(GRACE_MS, seconds * 1000);
    const query = {
      watch: '1',
      resourceVersion: this.#version ?? '',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds),
    };
    const response = await this.#get(query, patience, patience + SHORT_WATCH_MS);
    try {
      for await (const line of lines(pieces(response), MAX_OBJECT_BYTES)) this.#event(line);
    } finally {
      response.destroy();
      lasted = performance.now() - began >= Math.min(SHORT_WATCH_MS, seconds * 500);
      if (lasted) this.#working();
    }
    if (!lasted) throw new KubernetesError('ERR_KUBERNETES_UNAVAILABLE', 'the server ended the watch at once');
  }

  #event(line: string): void {
    const { type, object } = this.#parse(line) as { type?: unknown; object?: unknown };
    const { handler } = this.#options;
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
      case 'DELETED':
        if (!isPod(object)) throw new KubernetesError('ERR_KUBERNETES_PROTOCOL', `an event ${type} without a pod`);
        if (type === 'DELETED') handler.deleted(object.metadata.uid);
        else handler.changed(object);
        this.#version = object.metadata.resourceVersion;
        return;
      case 'BOOKMARK': {
        const { metadata } = (object ?? {}) as { metadata?: { resourceVersion?: unknown } };
        if (typeof metadata?.resourceVersion !== 'string')
          throw new KubernetesError('ERR_KUBERNETES_PROTOCOL', 'a bookmark without a version');
        this.#version = metadata.resourceVersion;
        return;
      }
      case 'ERROR': {
        const { code, reason, message } = (object ?? {}) as { code?: unknown; reason?: unknown; message?: unknown };
        if (code === 410 || reason === 'Expired' || reason === 'Gone') throw new Gone(this.#reason(message));
        throw statusError(Number(code) || 0, this.#reason(message));
      }
      default:
        throw new KubernetesError('ERR_KUBERNETES_PROTOCOL', `an event of the unknown type ${quoted(type)}`);
    }
  }

  async #get(query: Record<string, string>, silenceMs: number, totalMs: number): ReturnType<typeof get> {
    const path = `/api/v1/pods?${new URLSearchParams({ ...this.#options.query, ...query }).toString()}`;
    try {
      return await get(this.#options.access, {
        path,
        silenceMs,
        totalMs,
        signal: this.#stop.signal,
        secrets: this.#secrets,
      });
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 410) throw new Gone(error.message);
      throw error;
    }
  }

  /** Message of a server, without the credentials that may have been sent to it. */
  #reason(message: unknown): string | undefined {
    return typeof message === 'string' ? this.#secrets.redactMessage(message) : undefined;
  }

  /** Parses an object of the server and removes credentials from it. */
  #parse(text: string): object {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // Without the cause, which quotes the text unredacted.
      throw new KubernetesError('ERR_KUBERNETES_PROTOCOL', `not JSON: ${this.#beginning(text)}`);
    }
    if (typeof value !== 'object' || value === null)
      throw new KubernetesError('ERR_KUBERNETES_PROTOCOL', `not an object: ${this.#beginning(text)}`);
    return this.#secrets.redactValue(value);
  }

  /** Redacted before it is cut, because half a token would not be found. */
  #beginning(text: string): string {
    return printable(this.#secrets.redactMessage(text.slice(0, 65_536)), 60);
  }

  #working(): void {
    this.#gone = 0;
    this.#backoff.reset();
    this.#forbidden.reset();
  }

  /** Decides whether to list again, and when. */
  async #recover(thrown: unknown): Promise<void> {
    const { handler } = this.#options;
    if (thrown instanceof Gone) {
      this.#version = undefined;
      this.#listVersion = '';
      // Immediately, but not in a loop if a server says so of every version.
      if (this.#gone++ === 0) return;
    }
    const error = this.#secrets.redactError(
      thrown instanceof Gone ? statusError(410, thrown.message) : asError(thrown),
    );
    const status = error instanceof KubernetesError ? error.status : undefined;
    if (!RESUMABLE.has(codeOf(error))) {
      // Resuming at the same version would deliver the invalid data again.
      this.#version = undefined;
      this.#listVersion = '';
    }
    const ours = status === 403 ? this.#forbidden.next() : this.#backoff.next();
    const theirs = error instanceof KubernetesError ? (error.retryAfterMs ?? 0) : 0;
    const wait = Math.max(ours, Math.min(theirs, 10 * 60_000));
    if (codeOf(error) !== 'ERR_KUBERNETES_UNAVAILABLE') handler.failed(error);
    handler.disconnected(error, wait);
    await setTimeout(wait, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}

interface PodList {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly KubernetesPod[];
}

function isPodList(value: unknown): value is PodList {
  const { metadata, items } = (typeof value === 'object' && value !== null ? value : {}) as {
    metadata?: Record<string, unknown>;
    items?: unknown;
  };
  return typeof metadata?.resourceVersion === 'string' && Array.isArray(items) && items.every(isPod);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof KubernetesError ? error.code : undefined;
}
