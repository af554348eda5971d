import type { ClientRequest, IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { printable } from '../errors';
import type { ApiAccess } from './api-access';
import { KubernetesError } from './errors';
import { asError } from './report';
import { plainError, type Secrets } from './secrets';

/** What is read of an answer that refuses, for its reason; it is shown up to so many characters. */
const STATUS_BYTES = 64 * 1024;
const REASON_LENGTH = 300;

/** The head of an answer comes within so long, also of a watch: it says nothing of its events. */
const HEAD_MS = 30_000;
/** A refusal is whole within so long, or it has no reason. */
const REASON_MS = 5_000;

/** Answers 1xx before the answer. A proxy may send one or two; each is a sign of life, and would go on without end. */
const MAX_INFORMATION = 16;

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
  /** Takes note of the credentials that are sent. */
  readonly secrets: Secrets;
}

/**
 * Sends a GET and returns the answer when its head is there.
 *
 * @internal
 * @throws KubernetesError for everything but 200
 */
export async function get(
  access: ApiAccess,
  { path, silenceMs, totalMs, signal, secrets }: ApiRequest,
): Promise<IncomingMessage> {
  const { url, options } = await inTime(access(), signal);
  secrets.addFrom(options);
  const prefix = url.pathname.replace(/\/$/, '');
  const response = await answerTo(
    url,
    { silenceMs, totalMs },
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
  );
  if (response.statusCode === 200) return response;
  throw await refusal(response, secrets);
}

/**
 * The head of the answer. Settles whatever the server does: a request of Node.js may end without `response` and without
 * `error`, and then with `close` alone.
 */
function answerTo(
  url: URL,
  times: Pick<ApiRequest, 'silenceMs' | 'totalMs'>,
  options: RequestOptions,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const refuse = (error: KubernetesError): void => {
      reject(error);
      call.destroy();
    };
    let call: ClientRequest;
    try {
      call = request(options);
    } catch (thrown) {
      const { message } = asError(thrown); // names the header, not what is in it
      throw new KubernetesError('ERR_KUBERNETES_CONFIG', `the request cannot be made: ${message}`, {
        subject: url.origin,
        hint: 'look at the credentials: a token is one line without control characters',
      });
    }
    const endTimes = watchTime(call, times);
    let information = 0;
    call.on('socket', socket => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    const switched = (): void =>
      refuse(unexpected(url, '101: it would talk another protocol, which was not asked for'));
    call.on('response', head => (head.statusCode === 101 ? switched() : resolve(head)));
    call.on('information', ({ statusCode }) => {
      if (++information > MAX_INFORMATION)
        refuse(unexpected(url, `more than ${MAX_INFORMATION} answers of the kind ${statusCode}, and none that ends`));
    });
    // What follows is no HTTP, and the socket is nobody's.
    call.on('upgrade', (_, socket) => {
      socket.destroy();
      switched();
    });
    call.on('connect', ({ statusCode }, socket) => {
      socket.destroy();
      refuse(unexpected(url, `${statusCode}: it took the request for CONNECT`));
    });
    call.on('error', cause => reject(unavailable(url, cause)));
    call.on('close', () => {
      endTimes();
      reject(unavailable(url, new Error('the connection ended without an answer')));
    });
    call.end();
  });
}

/** Cuts what is silent, what does not begin and what does not end. Returns what ends the watching. */
function watchTime(call: ClientRequest, { silenceMs, totalMs }: Pick<ApiRequest, 'silenceMs' | 'totalMs'>): () => void {
  let answer: IncomingMessage | undefined;
  // Whoever reads the answer shall hear of the reason, too.
  const cut = (reason: string): unknown => (answer ?? call).destroy(new Error(reason));
  const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
  const begin = setTimeout(() => cut(`the answer did not begin within ${seconds(HEAD_MS)}`), HEAD_MS);
  const end = setTimeout(() => cut(`the answer has no end after ${seconds(totalMs)}`), totalMs);
  call.on('timeout', () => cut(`nothing came for ${seconds(silenceMs)}`));
  call.on('response', head => {
    answer = head;
    clearTimeout(begin);
  });
  return () => {
    clearTimeout(begin);
    clearTimeout(end);
  };
}

function unexpected(url: URL, problem: string): KubernetesError {
  return new KubernetesError('ERR_KUBERNETES_PROTOCOL', problem, {
    subject: url.origin,
    hint: 'is that the address of an API server?',
  });
}

/** Credentials may come from a program of the user's, which may never answer. */
async function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        new KubernetesError('ERR_KUBERNETES_CONFIG', `the credentials did not come within ${CREDENTIALS_MS / 1000} s`),
      );
    }, CREDENTIALS_MS);
    const abort = (): void => {
      clearTimeout(timer); // what never settles must not keep the process alive
      reject(asError(signal.reason));
    };
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
  // Node.js adds the bytes that it could not read, and a certificate.
  const plain = plainError(cause);
  const certificate = typeof code === 'string' && /CERT|SELF_SIGNED|ISSUER|SIGNATURE/.test(code);
  return new KubernetesError('ERR_KUBERNETES_UNAVAILABLE', printable(message || (code ?? 'failed')), {
    subject: url?.origin,
    cause: plain,
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

async function refusal(response: IncomingMessage, secrets: Secrets): Promise<KubernetesError> {
  const text = await reasonOf(response);
  const after = Number(response.headers['retry-after']);
  return statusError(
    response.statusCode ?? 0,
    secrets.redactMessage(messageOf(text)),
    after > 0 ? after * 1000 : undefined,
  );
}

/** The beginning of an answer that refuses, as far as it comes soon. */
async function reasonOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  const timer = setTimeout(() => response.destroy(), REASON_MS);
  try {
    let size = 0;
    for await (const chunk of pieces(response)) {
      chunks.push(chunk);
      if ((size += chunk.length) >= STATUS_BYTES) break; // leaving the loop destroys the response
    }
  } catch {
    // What came before it was cut says enough.
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks).subarray(0, STATUS_BYTES).toString('utf8');
}

/**
 * What a status means, be it of an answer or in an ERROR event; of the message credentials were taken out. @internal
 */
export function statusError(status: number, message: string | undefined, retryAfterMs?: number): KubernetesError {
  return new KubernetesError(
    CODES[status] ?? 'ERR_KUBERNETES_STATUS',
    `${status} ${printable(message || 'without a reason', REASON_LENGTH)}`,
    {
      status,
      retryAfterMs,
      hint: HINTS[status],
    },
  );
}

/** The message of a Status, or the text of something that is none. */
function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? message : '';
  } catch {
    return text;
  }
}
