import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/**
 * A BPF object file is missing, not readable, or not what clang writes for the target `bpf`.
 *
 * `subject` is the path or the name of the object; `cause` is the error of the file system, if there was one.
 */
export class ObjectFileError extends BpfError {
  declare readonly code: 'ERR_BPF_OBJECT_FILE';
  /** What is wrong with the file, in a few words. */
  readonly reason: string;

  /**
   * @param subject - path or name of the object
   * @param reason - what is wrong with it, in a few words
   * @param options - the usual facts
   */
  constructor(subject: string, reason: string, options: Omit<BpfErrorOptions, 'subject'> = {}) {
    super('ERR_BPF_OBJECT_FILE', { ...options, subject }, reason);
    this.reason = reason;
  }
}

defineError(ObjectFileError, 'ObjectFileError');
