import type { OutgoingHttpHeaders } from 'node:http';
import type { RequestOptions } from 'node:https';
import { printable } from '../errors';
import { asError } from './report';

/** What stands where a secret was. */
const REDACTED = '[redacted]';

/** A shorter one would be found in ordinary words. */
const MIN_LENGTH = 6;

/** Tokens rotate; an answer may still have the one before. */
const MAX_SECRETS = 8;

/** Headers whose values are credentials. */
const SECRET_HEADER = /auth|cookie|token|secret|key|credential/i;

/** Credentials in free text, whoever's they are: of a header, or a JSON Web Token. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)((?:\s|%20|\+|\\u0020)+)[^\s"'\\,;<>&]+/gi, `$1$2${REDACTED}`],
  [/\beyJ[\w-]{8,}(?:\.[\w-]+){1,2}/g, REDACTED],
];

const ESCAPES = /%([0-9a-f]{2})|\\u([0-9a-f]{4})/gi;
// eslint-disable-next-line no-control-regex -- these are what is meant
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
/** What a secret may be hidden with from a plain search. */
const HIDING = new RegExp(`${ESCAPES.source}|${UNSEEN.source}`, 'i');

/**
 * The credentials that were sent to the API server, to be taken out of whatever comes back: a server, or a proxy before
 * it, that echoes requests would put them into messages and logs.
 *
 * @internal
 */
export class Secrets {
  /** By value, each in the forms in which it may come back. */
  readonly #forms = new Map<string, readonly string[]>();

  /** Takes note of the credentials in the options of a request. */
  addFrom({ headers, auth }: RequestOptions): void {
    for (const [name, value] of Object.entries((headers ?? {}) as OutgoingHttpHeaders))
      if (SECRET_HEADER.test(name)) for (const text of [value].flat()) this.#add(String(text ?? ''));
    if (typeof auth === 'string') {
      this.#add(auth);
      this.#add(auth.slice(auth.indexOf(':') + 1));
    }
  }

  /** Data without the values of secrets, in any form; text that has none is returned as it is. */
  redact(text: string): string {
    const clean = this.#replaced(text);
    if (!HIDING.test(clean)) return clean;
    // Letter by letter they cannot be replaced: then nothing of it is kept.
    const decoded = decode(clean);
    return this.#replaced(decoded) === decoded ? clean : REDACTED;
  }

  /** Free text that is shown to people: what only looks like credentials goes, too. */
  redactMessage(text: string): string {
    let clean = this.redact(text);
    for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
    return clean;
  }

  /**
   * Takes secrets out of all texts of a parsed answer, in place: JSON may write any character as an escape, so the text
   * of it does not tell.
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
   * Takes secrets out of an error, in place. What led to it is replaced by its message: it may hold bytes of an answer,
   * or a request's headers.
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

/** An error with the message and the code of another, and nothing else of it. @internal */
export function plainError(thrown: unknown): Error {
  const { name, message, code } = asError(thrown) as NodeJS.ErrnoException;
  const plain = new Error(printable(message));
  if (typeof name === 'string')
    Object.defineProperty(plain, 'name', { value: printable(name, 80), configurable: true, writable: true });
  return typeof code === 'string' ? Object.assign(plain, { code: printable(code, 80) }) : plain;
}

/** Text with its percent and Unicode escapes resolved, twice over, and without what is not seen. */
function decode(text: string): string {
  let decoded = text;
  for (let i = 0; i < 2; i++)
    decoded = decoded.replace(ESCAPES, (_, percent: string | undefined, unicode: string) =>
      String.fromCharCode(parseInt(percent ?? unicode, 16)),
    );
  return decoded.replace(UNSEEN, '');
}
