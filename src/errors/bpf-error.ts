import type { BpfErrorCode } from './codes';
import { errnoName, errnoText } from './errno';
import { hintFor } from './hints';
import { defineError, MerbridgeError, type MerbridgeErrorOptions } from './merbridge-error';

/** What is known about a refusal. Without a hint one is looked up from errno and operation. */
export interface BpfErrorOptions extends MerbridgeErrorOptions {
  /** Positive error number of the kernel or of libbpf. */
  errno?: number | undefined;
}

/**
 * The kernel, libbpf or the machine refused something.
 *
 * @example
 * ```ts
 * import { BpfError } from 'merbridge';
 * import { BpfHashMap, u32 } from 'merbridge/bpf';
 *
 * try {
 *   BpfHashMap.create({ name: 'counters', key: u32, value: u32, maxEntries: 16 });
 * } catch (error) {
 *   if (error instanceof BpfError && error.errnoName === 'ENOMEM') console.error(error.hint);
 *   else throw error;
 * }
 * ```
 */
export class BpfError extends MerbridgeError {
  /** Stable name of the kind of failure; `'ERR_BPF_SYSTEM_CALL'` when there is no more special one. */
  declare readonly code: BpfErrorCode;
  /** Positive error number of the kernel, or 4000 and above from libbpf; absent when no number was involved. */
  declare readonly errno?: number;
  /** Name of {@link BpfError.errno}, such as `'EPERM'`. */
  declare readonly errnoName?: string;

  /**
   * @param code - stable name of the kind of failure
   * @param options - what is known
   * @param summary - replaces the text of the error number in the message
   */
  constructor(code: BpfErrorCode, options: BpfErrorOptions = {}, summary?: string) {
    const { errno } = options;
    const name = errno === undefined ? undefined : errnoName(errno);
    const hint = options.hint ?? (name === undefined ? undefined : hintFor(name, options.operation ?? ''));
    const text = summary ?? (errno === undefined ? 'failed' : errnoText(errno));
    super(code, { ...options, hint }, name === undefined ? text : `${name} ${text}`);
    if (errno !== undefined) this.errno = errno;
    if (name !== undefined) this.errnoName = name;
  }
}

defineError(BpfError, 'BpfError');
