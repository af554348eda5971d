import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/**
 * The process is not permitted to do this. Usually it lacks capabilities.
 *
 * @see capabilities(7)
 *
 * @example
 * ```ts
 * import { PermissionError } from 'merbridge';
 * import { OpenBpfObject } from 'merbridge/bpf';
 *
 * try {
 *   OpenBpfObject.openFile('program.bpf.o').load();
 * } catch (error) {
 *   if (error instanceof PermissionError) console.error(`missing capabilities: ${error.missing.join(', ')}`);
 *   process.exitCode = 1;
 * }
 * ```
 */
export class PermissionError extends BpfError {
  /** Always `'ERR_BPF_PERMISSION'`. */
  declare readonly code: 'ERR_BPF_PERMISSION';
  /**
   * Names of the capabilities that the process lacks, such as `'CAP_BPF'`. Empty if it has all of them and something
   * else refused: a security module, kernel lockdown, or file permissions.
   */
  readonly missing: readonly string[];

  /**
   * Creates the error.
   *
   * @param missing - names of the missing capabilities
   * @param options - error number, operation and subject
   */
  constructor(missing: readonly string[], options: BpfErrorOptions = {}) {
    const hint =
      missing.length === 0
        ? 'the process has the capabilities, so a security module, kernel lockdown or file permissions refused'
        : `the process lacks ${missing.join(', ')}; run as root or grant them`;
    super('ERR_BPF_PERMISSION', { ...options, hint: options.hint ?? hint });
    this.missing = Object.freeze([...missing]);
  }
}

defineError(PermissionError, 'PermissionError');
