import { setTimeout } from 'node:timers/promises';
import { printable, quoted } from '../errors';
import type { ApiAccess } from './api-access';
import { get, pieces, readAll, statusError } from './api-request';
import { Backoff } from './backoff';
import { KubernetesError } from './errors';
import { isPod, type KubernetesPod } from './kubernetes-pod';
import { asError } from './report';
import { Secrets } from './secrets';
import { lines } from './watch-lines';

/** Bounds for what a server may send; an object in etcd has 1.5 MiB at most. */
const MAX_OBJECT_BYTES = 16 * 1024 * 1024;
const MAX_PAGE_BYTES = 64 * 1024 * 1024;

const PAGE = 500;

/** A list that sends nothing for so long is cut, */
const LIST_SILENCE_MS = 30_000;
/**
 * and one that is not whole after so long, or so many pages or characters: a server may give a token for the next page
 * each time.
 */
const LIST_MS = 120_000;
const MAX_PAGES = 1000;
const MAX_LIST_LENGTH = 2 * MAX_PAGE_BYTES;

/** How long a server may be late with the end of a watch, at most; of a short one it may be so long again. */
const GRACE_MS = 15_000;

/**
 * A watch that ends sooner than this is a failure, whatever came: otherwise a broken server would be asked without end.
 */
const SHORT_WATCH_MS = 1_000;

/** How often to try again, in milliseconds. */
export interface RetryTimes {
  /** After the first failure; it doubles with each. Default 500. */
  readonly initialMs?: number | undefined;
  /** At most. Default 30 s. */
  readonly maxMs?: number | undefined;
  /** After a 403, which only a person mends. Default 60 s. */
  readonly forbiddenMs?: number | undefined;
}

/** Whom a {@link ListWatch} tells. @internal */
export interface ListWatchHandler {
  /** All pods there are. */
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

/** After these the watch goes on from where it was. */
const RESUMABLE: ReadonlySet<string | undefined> = new Set([
  'ERR_KUBERNETES_UNAVAILABLE',
  'ERR_KUBERNETES_BUSY',
  'ERR_KUBERNETES_UNAUTHORIZED',
  'ERR_KUBERNETES_FORBIDDEN',
  'ERR_KUBERNETES_CONFIG',
]);

/** The server no longer knows the version that was asked for: 410 Gone. */
class Gone extends Error {}

/** What there is, and then what changes: the two halves of every client of Kubernetes. @internal */
export class ListWatch {
  readonly #options: ListWatchOptions;
  readonly #stop = new AbortController();
  readonly #backoff: Backoff;
  readonly #forbidden: Backoff;
  readonly #secrets = new Secrets();
  #page = PAGE;
  /** Version up to which everything is known; undefined when everything has to be listed. */
  #version: string | undefined;
  /** The list must be at least as new as this. `'0'`: whatever the server has at hand; empty: the newest there is. */
  #listVersion = '0';
  #gone = 0;

  constructor(options: ListWatchOptions) {
    this.#options = options;
    const { initialMs, maxMs, forbiddenMs } = options.retry;
    this.#backoff = new Backoff(initialMs, maxMs);
    this.#forbidden = new Backoff(forbiddenMs, forbiddenMs * 4);
  }

  /** Works until {@link close}; never rejects, because its handler does not throw. */
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
      // A continued list is of the version in its token.
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
        // The token is too old: all at once then, which cannot expire half-way.
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
      // Smaller pages next time.
      if (codeOf(error) === 'ERR_KUBERNETES_PROTOCOL') this.#page = Math.max(1, this.#page >> 2);
      throw error;
    }
    const page = this.#parse(text);
    if (!isPodList(page)) throw new KubernetesError('ERR_KUBERNETES_PROTOCOL', 'the answer is not a list of pods');
    return { page, characters: text.length };
  }

  async #watch(): Promise<void> {
    // Not all at the same time, after a restart of the server.
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

  /** What a server says of itself, without the credentials that it may have been sent. */
  #reason(message: unknown): string | undefined {
    return typeof message === 'string' ? this.#secrets.redactMessage(message) : undefined;
  }

  /** An object of the server, with no credentials in it. */
  #parse(text: string): object {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // Without the cause: that quotes the text as it is.
      throw new KubernetesError('ERR_KUBERNETES_PROTOCOL', `not JSON: ${this.#beginning(text)}`);
    }
    if (typeof value !== 'object' || value === null)
      throw new KubernetesError('ERR_KUBERNETES_PROTOCOL', `not an object: ${this.#beginning(text)}`);
    return this.#secrets.redactValue(value);
  }

  /** Redacted before it is cut: half a token is one that would not be found. */
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
      // At once; but a server that says so of every version is not asked without end.
      if (this.#gone++ === 0) return;
    }
    const error = this.#secrets.redactError(
      thrown instanceof Gone ? statusError(410, thrown.message) : asError(thrown),
    );
    const status = error instanceof KubernetesError ? error.status : undefined;
    if (!RESUMABLE.has(codeOf(error))) {
      // What made no sense would be there again from the same version on.
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
