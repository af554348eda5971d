import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { ApiAccess } from './api-access';
import { KubernetesError } from './errors';
import { asError } from './report';

const STATUS_BYTES = 64 * 1024;

const CREDENTIALS_MS = 30_000;

/** The kernel asks for a sign of life on a connection that is silent for so long; that wakes nobody here. */
const KEEP_ALIVE_MS = 30_000;

/** A request to the API server. @internal */
export interface ApiRequest {
  /** Path with its query. */
  readonly path: string;
  /** The connection is cut when nothing came for so long, */
  readonly silenceMs: number;
  /** and when the answer has no end after so long, however much comes. */
  readonly totalMs: number;
  readonly signal: AbortSignal;
}

/**
 * Sends a GET and returns the answer when its head is there.
 *
 * @internal
 * @throws KubernetesError for everything but 200
 */
export async function get(access: ApiAccess, { path, silenceMs, totalMs, signal }: ApiRequest): Promise<IncomingMessage> {
  const { url, options } = await inTime(access(), signal);
  const prefix = url.pathname.replace(/\/$/, '');
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    let answer: IncomingMessage | undefined;
    const call = request(
      {
        agent: false, // a connection of its own, made with the certificates of now
        ...options,
        host: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port === '' ? 443 : url.port,
        path: `${prefix}${path}`,
        method: 'GET',
        headers: { ...options.headers, accept: 'application/json', 'user-agent': 'merbridge' },
        timeout: silenceMs,
        signal,
      },
      (head) => {
        answer = head;
        resolve(head);
      },
    );
    call.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    // Whoever reads the answer shall hear of the reason, too.
    const cut = (reason: string): unknown => (answer ?? call).destroy(new Error(reason));
    call.on('timeout', () => cut(`nothing came for ${Math.round(silenceMs / 1000)} s`));
    const timer = setTimeout(() => cut(`the answer has no end after ${Math.round(totalMs / 1000)} s`), totalMs);
    call.on('close', () => clearTimeout(timer));
    call.on('error', (cause) => reject(unavailable(url, cause)));
    call.end();
  });
  if (response.statusCode === 200) return response;
  throw await refusal(response);
}

/** Credentials may come from a program of the user's, which may never answer. */
async function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new KubernetesError('ERR_KUBERNETES_CONFIG', `the credentials did not come within ${CREDENTIALS_MS / 1000} s`));
    }, CREDENTIALS_MS);
    const abort = (): void => reject(asError(signal.reason));
    signal.addEventListener('abort', abort);
    void work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    });
  });
}

/** The connection failed, before or after the head of the answer. @internal */
export function unavailable(url: URL | undefined, cause: unknown): KubernetesError {
  const { message, code } = asError(cause) as NodeJS.ErrnoException;
  const certificate = typeof code === 'string' && /CERT|SELF_SIGNED|ISSUER|SIGNATURE/.test(code);
  return new KubernetesError('ERR_KUBERNETES_UNAVAILABLE', message || (code ?? 'failed'), {
    subject: url?.origin,
    cause,
    ...(certificate && { hint: 'the certificate of the server is not signed by the ca that was given' }),
  });
}

/** The pieces of an answer, and what went wrong with its connection as such an error. @internal */
export async function* pieces(response: IncomingMessage): AsyncGenerator<Buffer, void> {
  try {
    yield* response as AsyncIterable<Buffer>;
  } catch (cause) {
    throw unavailable(undefined, cause);
  }
}

/**
 * Reads a whole answer.
 *
 * @internal
 * @throws KubernetesError (`ERR_KUBERNETES_PROTOCOL`) if it has more bytes than that
 */
export async function readAll(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of pieces(response)) {
    size += chunk.length;
    if (size > maxBytes) break; // leaving the loop destroys the response
    chunks.push(chunk);
  }
  if (size > maxBytes) throw new KubernetesError('ERR_KUBERNETES_PROTOCOL', `an answer of more than ${maxBytes} bytes`);
  return Buffer.concat(chunks).toString('utf8');
}

/** Codes by status; those that are not here have none of their own. */
const CODES: Readonly<Record<number, KubernetesError['code']>> = {
  401: 'ERR_KUBERNETES_UNAUTHORIZED',
  403: 'ERR_KUBERNETES_FORBIDDEN',
  429: 'ERR_KUBERNETES_BUSY',
  503: 'ERR_KUBERNETES_BUSY',
};

const HINTS: Readonly<Record<number, string>> = {
  401: 'the token is read anew from its file at the next attempt; look whether it expired',
  403: 'the account needs the verbs list and watch on pods, see docs/kubernetes.md',
};

async function refusal(response: IncomingMessage): Promise<KubernetesError> {
  const text = await readAll(response, STATUS_BYTES).catch(() => '');
  const after = Number(response.headers['retry-after']);
  return statusError(response.statusCode ?? 0, messageOf(text), after > 0 ? after * 1000 : undefined);
}

/** What a status means, be it of an answer or in an ERROR event. @internal */
export function statusError(status: number, message: string | undefined, retryAfterMs?: number): KubernetesError {
  return new KubernetesError(CODES[status] ?? 'ERR_KUBERNETES_STATUS', `${status} ${message ?? 'without a reason'}`, {
    status,
    retryAfterMs,
    hint: HINTS[status],
  });
}

function messageOf(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? message : undefined;
  } catch {
    return text.slice(0, 200) || undefined;
  }
}
