import { request as httpsRequest } from 'node:https';

/** One request to an API server. */
export interface KubeRequest {
  readonly url: string;
  readonly ca: string;
  readonly token?: string;
  readonly method?: string;
  /** Path with its query, such as `/api/v1/pods?limit=1`. */
  readonly path: string;
  /** Sent as JSON, or as it is if it is a string. */
  readonly body?: unknown;
  readonly contentType?: string;
}

/** What an API server answered. */
export interface KubeAnswer {
  readonly status: number;
  /** Parsed if it is JSON, otherwise the text. */
  readonly body: unknown;
  /** What the server wants the user to know of, from its `Warning` headers. */
  readonly warnings: readonly string[];
}

/** An API server answered with a status of 400 or above. */
export class KubeError extends Error {
  override readonly name = 'KubeError';

  constructor(
    readonly method: string,
    readonly path: string,
    readonly status: number,
    readonly body: unknown,
  ) {
    const { message } = (typeof body === 'object' && body !== null ? body : {}) as { message?: string };
    super(`${method} ${path}: ${status} ${message ?? String(body)}`);
  }
}

/** Sends a request over a connection of its own and returns the answer, whatever its status. */
export function answer(options: KubeRequest): Promise<KubeAnswer> {
  const { url, ca, token, method = 'GET', path, body, contentType = 'application/json' } = options;
  const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const call = httpsRequest(
      new URL(path, url),
      {
        method,
        ca,
        agent: false,
        timeout: 30_000,
        headers: {
          accept: 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(payload === undefined
            ? {}
            : { 'content-type': contentType, 'content-length': Buffer.byteLength(payload) }),
        },
      },
      response => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.once('error', reject).once('end', () => {
          const json = response.headers['content-type']?.startsWith('application/json') ?? false;
          const { warning = [] } = response.headersDistinct;
          resolve({
            status: response.statusCode ?? 0,
            body: json ? (JSON.parse(text) as unknown) : text,
            warnings: warning,
          });
        });
      },
    );
    call
      .once('error', reject)
      .once('timeout', () => call.destroy(new Error(`${method} ${path}: no answer within 30 s`)));
    call.end(payload);
  });
}

/** Like {@link answer}, but rejects with a {@link KubeError} for a status of 400 and above. */
export async function bodyOf(options: KubeRequest): Promise<unknown> {
  const { status, body } = await answer(options);
  if (status >= 400) throw new KubeError(options.method ?? 'GET', options.path, status, body);
  return body;
}
