import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/**
 * A BPF object file is missing, not readable, or not what clang writes for the target `bpf`.
 *
 * `subject` is the path or the name of the object. `cause` is the error of the file system, if there was one.
 *
 * @example
 * ```ts
 * import { ObjectFileError } from 'merbridge';
 * import { OpenBpfObject } from 'merbridge/bpf';
 *
 * try {
 *   OpenBpfObject.openFile('program.bpf.o').close();
 * } catch (error) {
 *   if (!(error instanceof ObjectFileError)) throw error;
 *   console.error(`${error.subject}: ${error.reason}`);
 * }
 * ```
 */
export class ObjectFileError extends BpfError {
  /** Always `'ERR_BPF_OBJECT_FILE'`. */
  declare readonly code: 'ERR_BPF_OBJECT_FILE';
  /** What is wrong with the file, in a few words. */
  readonly reason: string;

  /**
   * Creates the error.
   *
   * @param subject - path or name of the object
   * @param reason - what is wrong with it, in a few words
   * @param options - error number, operation, hint and cause, as far as they are known
   */
  constructor(subject: string, reason: string, options: Omit<BpfErrorOptions, 'subject'> = {}) {
    super('ERR_BPF_OBJECT_FILE', { ...options, subject }, reason);
    this.reason = reason;
  }
}

defineError(ObjectFileError, 'ObjectFileError');
