import type { ClientRequest, IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { printable } from '../../errors';
import type { ApiAccess } from './api-access';
import { KubernetesError } from '../errors';
import { asError } from '../sources/report';
import { plainError, type Secrets } from './secrets';

/** Limit for reading an error response, and for the part of its message that is shown. */
const STATUS_BYTES = 64 * 1024;
const REASON_LENGTH = 300;

/** Time limit for the headers of a response, including a watch; it does not limit its events. */
const HEAD_MS = 30_000;
/** Time limit for the body of an error response. Without it, the error has no reason. */
const REASON_MS = 5_000;

/**
 * Limit for 1xx responses. A proxy may send one or two; each resets the timeout, so an endless series would never end.
 */
const MAX_INFORMATION = 16;

const CREDENTIALS_MS = 30_000;

/** Interval of TCP keep-alive probes on an idle connection. They do not wake this process. */
const KEEP_ALIVE_MS = 30_000;

/**
 * A request to the API server.
 *
 * @internal
 */
export interface ApiRequest {
  /** Path with query. */
  readonly path: string;
  /** The connection is aborted if nothing arrives for this time. */
  readonly silenceMs: number;
  /** The connection is aborted if the response is not complete after this time. */
  readonly totalMs: number;
  readonly signal: AbortSignal;
  /** Remembers the credentials that are sent. */
  readonly secrets: Secrets;
}

/**
 * Sends a GET request and returns the response when its headers have arrived.
 *
 * @internal
 * @throws KubernetesError (with a code for the failure) if the status is not 200
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
      agent: false, // a new connection with the current certificates
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
 * Waits for the headers of the response. It settles whatever the server does: a request of Node.js may end without
 * `response` and without `error`, with only `close`.
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
      const { message } = asError(thrown); // names the header, not its value
      throw new KubernetesError('ERR_KUBERNETES_CONFIG', `the request cannot be made: ${message}`, {
        subject: url.origin,
        hint: 'check the credentials: a token is one line without control characters',
      });
    }
    const endTimes = watchTime(call, times);
    let information = 0;
    call.on('socket', socket => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    const switched = (): void =>
      refuse(unexpected(url, '101: it switched to another protocol, which was not requested'));
    call.on('response', head => (head.statusCode === 101 ? switched() : resolve(head)));
    call.on('information', ({ statusCode }) => {
      if (++information > MAX_INFORMATION)
        refuse(unexpected(url, `more than ${MAX_INFORMATION} responses with status ${statusCode}, and no final one`));
    });
    // What follows is not HTTP, and nobody else owns the socket.
    call.on('upgrade', (_, socket) => {
      socket.destroy();
      switched();
    });
    call.on('connect', ({ statusCode }, socket) => {
      socket.destroy();
      refuse(unexpected(url, `${statusCode}: it treated the request as CONNECT`));
    });
    call.on('error', cause => reject(unavailable(url, cause)));
    call.on('close', () => {
      endTimes();
      reject(unavailable(url, new Error('the connection ended without a response')));
    });
    call.end();
  });
}

/** Aborts a response that is silent, does not begin or does not end. Returns a function that clears the timers. */
function watchTime(call: ClientRequest, { silenceMs, totalMs }: Pick<ApiRequest, 'silenceMs' | 'totalMs'>): () => void {
  let answer: IncomingMessage | undefined;
  // The reader of the response receives the reason, too.
  const cut = (reason: string): unknown => (answer ?? call).destroy(new Error(reason));
  const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
  const begin = setTimeout(() => cut(`the response did not begin within ${seconds(HEAD_MS)}`), HEAD_MS);
  const end = setTimeout(() => cut(`the response did not end within ${seconds(totalMs)}`), totalMs);
  call.on('timeout', () => cut(`no data for ${seconds(silenceMs)}`));
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

/** Limits the time for credentials, which may come from a program of the user that never answers. */
async function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        new KubernetesError(
          'ERR_KUBERNETES_CONFIG',
          `the credentials were not available within ${CREDENTIALS_MS / 1000} s`,
        ),
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

/**
 * The error for a failed connection, before or after the headers of the response.
 *
 * @internal
 */
export function unavailable(url: URL | undefined, cause: unknown): KubernetesError {
  const { message, code } = asError(cause) as NodeJS.ErrnoException;
  // Node.js adds the bytes that it could not parse, and a certificate.
  const plain = plainError(cause);
  const certificate = typeof code === 'string' && /CERT|SELF_SIGNED|ISSUER|SIGNATURE/.test(code);
  return new KubernetesError('ERR_KUBERNETES_UNAVAILABLE', printable(message || (code ?? 'failed')), {
    subject: url?.origin,
    cause: plain,
    ...(certificate && { hint: 'the certificate of the server is not signed by the given ca' }),
  });
}

/**
 * Chunks of a response. A failure of the connection becomes a KubernetesError.
 *
 * @internal
 */
export async function* pieces(response: IncomingMessage): AsyncGenerator<Buffer, void> {
  try {
    yield* response as AsyncIterable<Buffer>;
  } catch (cause) {
    throw unavailable(undefined, cause);
  }
}

/**
 * Reads a whole response.
 *
 * @internal
 * @throws KubernetesError (`ERR_KUBERNETES_PROTOCOL`) if it has more than `maxBytes`
 */
export async function readAll(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of pieces(response)) {
    size += chunk.length;
    if (size > maxBytes) break; // leaving the loop destroys the response
    chunks.push(chunk);
  }
  if (size > maxBytes)
    throw new KubernetesError('ERR_KUBERNETES_PROTOCOL', `a response of more than ${maxBytes} bytes`);
  return Buffer.concat(chunks).toString('utf8');
}

/** Error codes by HTTP status. Other statuses have no code of their own. */
const CODES: Readonly<Record<number, KubernetesError['code']>> = {
  401: 'ERR_KUBERNETES_UNAUTHORIZED',
  403: 'ERR_KUBERNETES_FORBIDDEN',
  429: 'ERR_KUBERNETES_BUSY',
  503: 'ERR_KUBERNETES_BUSY',
};

const HINTS: Readonly<Record<number, string>> = {
  401: 'the token file is read again at the next attempt; check whether the token expired',
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

/** Reads the beginning of an error response, as far as it arrives in time. */
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
    // What arrived before the abort is enough.
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks).subarray(0, STATUS_BYTES).toString('utf8');
}

/**
 * The error for an HTTP status of a response or of an ERROR event. Credentials were already removed from the message.
 *
 * @internal
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

/** The message of a Status object, or the text itself if it is not one. */
function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? message : '';
  } catch {
    return text;
  }
}
