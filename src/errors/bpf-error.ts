import { brand } from './brand';
import { errnoName, errnoText } from './errno';
import { hintFor } from './hints';
import { printable } from './printable';

/** Longer than any message that is made here: whatever a part of it was made of, it stays one line that can be read. */
const MAX_MESSAGE = 8192;
/** The longest path of the kernel. */
const MAX_PART = 4096;

/** What is known about a failure. Every field is optional; the message is built from those that are given. */
export interface BpfErrorOptions {
  /** Positive error number of the kernel or of libbpf. */
  errno?: number | undefined;
  /** The C function that failed, such as `'bpf_map_update_elem'`. */
  operation?: string | undefined;
  /** What it was done to: a map, a program, a path. */
  subject?: string | undefined;
  /** What to do about it. Default: looked up from errno and operation. */
  hint?: string | undefined;
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * Base of all errors this library throws when the kernel, libbpf or the environment refuses something.
 *
 * Errors that a program is not meant to catch, because an argument was wrong, are plain `TypeError` and `RangeError`.
 *
 * Prefer comparing {@link BpfError.code} to `instanceof`: codes never change within a major version, messages may.
 * `instanceof` works too, even when two copies of the library are loaded.
 *
 * @example
 * ```ts
 * import { BpfError, BpfHashMap, u32 } from 'merbridge';
 *
 * try {
 *   BpfHashMap.create({ name: 'counters', key: u32, value: u32, maxEntries: 16 });
 * } catch (error) {
 *   if (error instanceof BpfError && error.errnoName === 'ENOMEM') console.error(error.hint);
 *   else throw error;
 * }
 * ```
 */
export class BpfError extends Error {
  /** Stable name of the kind of failure; `'ERR_BPF_SYSTEM_CALL'` when there is no more special one. */
  readonly code: string;
  /** Positive error number of the kernel, or 4000 and above from libbpf; absent when no number was involved. */
  declare readonly errno?: number;
  /** Name of {@link BpfError.errno}, such as `'EPERM'`. */
  declare readonly errnoName?: string;
  /** The C function that failed, such as `'bpf_map_update_elem'`. */
  declare readonly operation?: string;
  /** What it was done to, such as `'map "local_pod_ips"'`. */
  declare readonly subject?: string;
  /** What to look at or to do, in a few words. */
  declare readonly hint?: string;

  /**
   * @param code - stable name of the kind of failure
   * @param options - what is known
   * @param summary - replaces the text of the error number in the message
   */
  constructor(code: string, options: BpfErrorOptions = {}, summary?: string) {
    const name = options.errno === undefined ? undefined : errnoName(options.errno);
    const hint = options.hint ?? (name === undefined ? undefined : hintFor(name, options.operation ?? ''));
    super(compose(options, name, summary, hint), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    // Only what is known becomes a property, so that a printed error shows no rows of "undefined".
    if (options.errno !== undefined) this.errno = options.errno;
    if (name !== undefined) this.errnoName = name;
    if (options.operation !== undefined) this.operation = printable(options.operation, MAX_PART);
    if (options.subject !== undefined) this.subject = printable(options.subject, MAX_PART);
    if (hint !== undefined) this.hint = printable(hint, MAX_PART);
  }
}

/** `operation subject: ERRNO text (hint)`, leaving out what is not known. Parts come from files, pods and servers, so they are made printable. */
function compose(
  { operation, subject, errno }: BpfErrorOptions,
  name: string | undefined,
  summary: string | undefined,
  hint: string | undefined,
): string {
  const place = [operation, subject].filter((part) => part !== undefined && part !== '').join(' ');
  const text = summary ?? (errno === undefined ? 'failed' : errnoText(errno));
  const what = name === undefined ? text : `${name} ${text}`;
  const line = printable(place === '' ? what : `${place}: ${what}`, MAX_MESSAGE);
  return hint === undefined ? line : `${line} (${printable(hint, MAX_PART)})`;
}

/**
 * Brands a subclass and gives its instances their class name.
 *
 * @internal
 */
export function defineError(Class: abstract new (...args: never[]) => BpfError, name: string): void {
  brand(Class, name);
  Object.defineProperty(Class.prototype, 'name', { value: name, configurable: true, writable: true });
}

defineError(BpfError, 'BpfError');
