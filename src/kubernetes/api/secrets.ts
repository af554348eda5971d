import type { OutgoingHttpHeaders } from 'node:http';
import type { RequestOptions } from 'node:https';
import { printable } from '../../errors';
import { asError } from '../sources/report';

/** Replacement for a secret. */
const REDACTED = '[redacted]';

/** Minimum length of a secret. A shorter one would match parts of ordinary words. */
const MIN_LENGTH = 6;

/** Number of secrets to remember. Tokens rotate, and a response may still contain the previous one. */
const MAX_SECRETS = 8;

/** Headers whose values are credentials. */
const SECRET_HEADER = /auth|cookie|token|secret|key|credential/i;

/** Patterns of credentials in free text, even unknown ones: of a header, or a JSON Web Token. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)((?:\s|%20|\+|\\u0020)+)[^\s"'\\,;<>&]+/gi, `$1$2${REDACTED}`],
  [/\beyJ[\w-]{8,}(?:\.[\w-]+){1,2}/g, REDACTED],
];

const ESCAPES = /%([0-9a-f]{2})|\\u([0-9a-f]{4})/gi;
// eslint-disable-next-line no-control-regex -- these are what is meant
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
/** Escapes and invisible characters that may hide a secret from a plain search. */
const HIDING = new RegExp(`${ESCAPES.source}|${UNSEEN.source}`, 'i');

/**
 * The credentials that were sent to the API server. They are removed from every response, because a server or a proxy
 * that echoes requests would put them into messages and logs.
 *
 * @internal
 */
export class Secrets {
  /** By value: the encodings in which a secret may come back. */
  readonly #forms = new Map<string, readonly string[]>();

  /**
   * Remembers the credentials in the options of a request.
   *
   * @param options - its `headers` and `auth`
   */
  addFrom({ headers, auth }: RequestOptions): void {
    for (const [name, value] of Object.entries((headers ?? {}) as OutgoingHttpHeaders))
      if (SECRET_HEADER.test(name)) for (const text of [value].flat()) this.#add(String(text ?? ''));
    if (typeof auth === 'string') {
      this.#add(auth);
      this.#add(auth.slice(auth.indexOf(':') + 1));
    }
  }

  /**
   * Removes secrets from data, in any encoding.
   *
   * @param text - data that may contain secrets
   * @returns the data without secrets; unchanged if it has none
   */
  redact(text: string): string {
    const clean = this.#replaced(text);
    if (!HIDING.test(clean)) return clean;
    // The secret is hidden by escapes and cannot be replaced, so nothing of the text is kept.
    const decoded = decode(clean);
    return this.#replaced(decoded) === decoded ? clean : REDACTED;
  }

  /**
   * Removes secrets from text for people, and also what only looks like credentials.
   *
   * @param text - text that may contain secrets
   * @returns the text without them
   */
  redactMessage(text: string): string {
    let clean = this.redact(text);
    for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
    return clean;
  }

  /**
   * Removes secrets from all strings of a parsed response, in place. JSON can escape any character, so searching its
   * text is not enough.
   *
   * @param value - parsed JSON
   * @returns the value; a string is replaced
   */
  redactValue<T>(value: T): T {
    if (typeof value === 'string') return this.redact(value) as T;
    const open: unknown[] = [value];
    for (let one = open.pop(); one !== undefined; one = open.pop()) {
      if (typeof one !== 'object' || one === null) continue;
      const entries = one as Record<string, unknown>;
      for (const [key, inner] of Object.entries(entries)) {
        const name = this.redact(key);
        if (name !== key) Reflect.deleteProperty(entries, key);
        if (typeof inner === 'string') {
          const text = this.redact(inner);
          if (text !== inner || name !== key) entries[name] = text;
        } else {
          if (name !== key) entries[name] = inner;
          open.push(inner);
        }
      }
    }
    return value;
  }

  /**
   * Removes secrets from an error, in place. Its cause is replaced by an error with only its message, because a cause
   * may contain bytes of a response or headers of a request.
   *
   * @param error - error to change
   * @returns the error
   */
  redactError<E extends Error>(error: E): E {
    const texts = error as unknown as Record<string, unknown>;
    for (const name of ['message', 'stack', 'hint', 'subject']) {
      const text = texts[name];
      if (typeof text !== 'string') continue;
      const clean = this.redactMessage(text);
      if (clean !== text) texts[name] = clean;
    }
    if (error.cause !== undefined) error.cause = this.redactError(plainError(error.cause));
    return error;
  }

  #replaced(text: string): string {
    let clean = text;
    for (const forms of this.#forms.values())
      for (const form of forms) if (clean.includes(form)) clean = clean.replaceAll(form, REDACTED);
    return clean;
  }

  #add(value: string): void {
    for (const secret of new Set([value, value.replace(/^(bearer|basic)\s+/i, '')])) {
      if (secret.length < MIN_LENGTH || this.#forms.has(secret)) continue;
      const bytes = Buffer.from(secret);
      const encoded = (['base64', 'base64url', 'hex'] as const).map(encoding => bytes.toString(encoding));
      this.#forms.set(secret, [
        ...new Set([secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), ...encoded]),
      ]);
      for (const oldest of this.#forms.keys()) {
        if (this.#forms.size <= MAX_SECRETS * 2) break;
        this.#forms.delete(oldest);
      }
    }
  }
}

/**
 * Creates an error with only the message and the code of another one.
 *
 * @internal
 */
export function plainError(thrown: unknown): Error {
  const { name, message, code } = asError(thrown) as NodeJS.ErrnoException;
  const plain = new Error(printable(message));
  if (typeof name === 'string')
    Object.defineProperty(plain, 'name', { value: printable(name, 80), configurable: true, writable: true });
  return typeof code === 'string' ? Object.assign(plain, { code: printable(code, 80) }) : plain;
}

/** Resolves percent and Unicode escapes, twice, and removes invisible characters. */
function decode(text: string): string {
  let decoded = text;
  for (let i = 0; i < 2; i++)
    decoded = decoded.replace(ESCAPES, (_, percent: string | undefined, unicode: string) =>
      String.fromCharCode(parseInt(percent ?? unicode, 16)),
    );
  return decoded.replace(UNSEEN, '');
}
