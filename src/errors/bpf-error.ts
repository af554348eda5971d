import type { BpfErrorCode } from './codes';
import { errnoName, errnoText } from './errno';
import { hintFor } from './hints';
import { defineError, MerbridgeError, type MerbridgeErrorOptions } from './merbridge-error';

/** Options of a {@link BpfError}. If there is no hint, it is looked up by error number and operation. */
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
  /** Which kind of failure it is. `'ERR_BPF_SYSTEM_CALL'` if there is no more specific code. */
  declare readonly code: BpfErrorCode;
  /** Positive error number of the kernel, or a number from 4000 of libbpf. Absent if there is none. */
  declare readonly errno?: number;
  /** Name of {@link BpfError.errno}, such as `'EPERM'`. */
  declare readonly errnoName?: string;

  /**
   * Creates the error.
   *
   * @param code - kind of failure
   * @param options - error number, operation, subject, hint and cause, as far as they are known
   * @param summary - text for the message. Default: the description of the error number
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
