import { brand } from './brand';
import type { MerbridgeErrorCode } from './codes';
import { printable } from './printable';

/** Longer than any message that is made here: whatever a part of it was made of, it stays one line that can be read. */
const MAX_MESSAGE = 8192;
/** The longest path of the kernel. */
const MAX_PART = 4096;

/** What is known about a failure. Every field is optional; the message is built from those that are given. */
export interface MerbridgeErrorOptions {
  /** What was tried: a method, or a C function such as `'bpf_map_update_elem'`. */
  operation?: string | undefined;
  /** What it was done to: a map, a program, a path. */
  subject?: string | undefined;
  /** What to do about it. */
  hint?: string | undefined;
  /** The error that led to this one. */
  cause?: unknown | undefined;
}

/**
 * Base of all errors that this library throws or reports.
 *
 * Errors that a program is not meant to catch, because an argument was wrong, are plain `TypeError` and `RangeError`.
 *
 * Prefer comparing {@link MerbridgeError.code} to `instanceof`: codes never change within a major version, messages
 * may. `instanceof` works too, even when two copies of the library are loaded.
 *
 * @example
 * ```ts
 * import { MerbridgeError, MeshAccelerator } from 'merbridge';
 *
 * async function start(cgroup: string): Promise<MeshAccelerator | undefined> {
 *   try {
 *     return await MeshAccelerator.start({ cgroup });
 *   } catch (error) {
 *     if (!(error instanceof MerbridgeError)) throw error;
 *     console.error(`${error.code}: ${error.message}`);
 *     return undefined;
 *   }
 * }
 * ```
 */
export class MerbridgeError extends Error {
  /** Stable name of the kind of failure. */
  readonly code: MerbridgeErrorCode;
  /** What was tried, such as `'bpf_map_update_elem'`. */
  declare readonly operation?: string;
  /** What it was done to, such as `'map "local_pod_ips"'`. */
  declare readonly subject?: string;
  /** What to look at or to do, in a few words. */
  declare readonly hint?: string;

  /**
   * @param code - stable name of the kind of failure
   * @param options - what is known
   * @param summary - what happened, in a few words
   */
  constructor(code: MerbridgeErrorCode, options: MerbridgeErrorOptions, summary: string) {
    super(compose(options, summary), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    // Only what is known becomes a property, so that a printed error shows no rows of "undefined".
    if (options.operation !== undefined) this.operation = printable(options.operation, MAX_PART);
    if (options.subject !== undefined) this.subject = printable(options.subject, MAX_PART);
    if (options.hint !== undefined) this.hint = printable(options.hint, MAX_PART);
  }
}

/**
 * `operation subject: summary (hint)`, leaving out what is not known. Parts come from files, pods and servers, so they
 * are made printable.
 */
function compose({ operation, subject, hint }: MerbridgeErrorOptions, summary: string): string {
  const place = [operation, subject].filter(part => part !== undefined && part !== '').join(' ');
  const line = printable(place === '' ? summary : `${place}: ${summary}`, MAX_MESSAGE);
  return hint === undefined ? line : `${line} (${printable(hint, MAX_PART)})`;
}

/**
 * Brands a subclass and gives its instances their class name.
 *
 * @internal
 */
export function defineError(Class: abstract new (...args: never[]) => MerbridgeError, name: string): void {
  brand(Class, name);
  Object.defineProperty(Class.prototype, 'name', { value: name, configurable: true, writable: true });
}

defineError(MerbridgeError, 'MerbridgeError');
