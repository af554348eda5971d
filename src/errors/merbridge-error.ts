import { brand } from './brand';
import type { MerbridgeErrorCode } from './codes';
import { printable } from './printable';

/** Longer than any message of this library. It keeps a message readable, whatever its parts contain. */
const MAX_MESSAGE = 8192;
/** PATH_MAX, the longest path of the kernel. */
const MAX_PART = 4096;

/** What is known about a failure. Every field is optional. The message is built from the given ones. */
export interface MerbridgeErrorOptions {
  /** What was tried: a method, or a C function such as `'bpf_map_update_elem'`. */
  operation?: string | undefined;
  /** The object it was done to: a map, a program, a path. */
  subject?: string | undefined;
  /** What to do about the failure. */
  hint?: string | undefined;
  /** The error that led to this one. */
  cause?: unknown | undefined;
}

/**
 * Base class of all errors that this library throws or reports.
 *
 * Wrong arguments are programming errors. They throw a plain `TypeError` or `RangeError` instead.
 *
 * Prefer {@link MerbridgeError.code} to `instanceof`. Codes do not change within a major version; messages may.
 * `instanceof` works too, even if two copies of the library are loaded.
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
  /** Which kind of failure it is. It does not change within a major version. */
  readonly code: MerbridgeErrorCode;
  /** What was tried, such as `'bpf_map_update_elem'`. */
  declare readonly operation?: string;
  /** The object it was done to, such as `'map "local_pod_ips"'`. */
  declare readonly subject?: string;
  /** What to check or to do. */
  declare readonly hint?: string;

  /**
   * Creates the error.
   *
   * @param code - kind of failure
   * @param options - operation, subject, hint and cause, as far as they are known
   * @param summary - what happened, for the message
   */
  constructor(code: MerbridgeErrorCode, options: MerbridgeErrorOptions, summary: string) {
    super(compose(options, summary), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    // Unknown fields do not become properties, so that a printed error does not list them as "undefined".
    if (options.operation !== undefined) this.operation = printable(options.operation, MAX_PART);
    if (options.subject !== undefined) this.subject = printable(options.subject, MAX_PART);
    if (options.hint !== undefined) this.hint = printable(options.hint, MAX_PART);
  }
}

/**
 * Builds `operation subject: summary (hint)` from the known parts. The parts may come from files, pods and servers, so
 * they are made printable.
 */
function compose({ operation, subject, hint }: MerbridgeErrorOptions, summary: string): string {
  const place = [operation, subject].filter(part => part !== undefined && part !== '').join(' ');
  const line = printable(place === '' ? summary : `${place}: ${summary}`, MAX_MESSAGE);
  return hint === undefined ? line : `${line} (${printable(hint, MAX_PART)})`;
}

/**
 * Brands a subclass and sets the `name` of its instances.
 *
 * @internal
 */
export function defineError(Class: abstract new (...args: never[]) => MerbridgeError, name: string): void {
  brand(Class, name);
  Object.defineProperty(Class.prototype, 'name', { value: name, configurable: true, writable: true });
}

defineError(MerbridgeError, 'MerbridgeError');
