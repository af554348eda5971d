import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/** How many lines of the log the message quotes. */
const QUOTED_LINES = 3;

/**
 * The verifier of the kernel refused a program.
 *
 * The message quotes the last telling lines of the verifier's log; {@link VerifierError.log} is the whole log, and
 * printing the error with `console.error` or `util.inspect` shows all of it.
 *
 * @example
 * ```ts
 * import { VerifierError } from 'merbridge';
 * import { OpenBpfObject } from 'merbridge/bpf';
 *
 * try {
 *   OpenBpfObject.openFile('program.bpf.o').load();
 * } catch (error) {
 *   if (error instanceof VerifierError) console.error(error.log);
 *   throw error;
 * }
 * ```
 */
export class VerifierError extends BpfError {
  declare readonly code: 'ERR_BPF_VERIFIER';
  /** Name of the program that was refused, when libbpf told it. */
  readonly program: string | undefined;
  /** Everything the verifier wrote, unshortened. Not enumerable: it is printed once, below the stack. */
  declare readonly log: string;

  /**
   * @param program - name of the refused program
   * @param log - all that the verifier wrote
   * @param options - error number, operation and subject
   */
  constructor(program: string | undefined, log: string, options: BpfErrorOptions = {}) {
    const lines = tellingLines(log);
    super(
      'ERR_BPF_VERIFIER',
      { hint: 'the property "log" holds the whole log', ...options },
      `the verifier refused it: ${lines.join(' | ')}`,
    );
    this.program = program;
    Object.defineProperty(this, 'log', { value: log, enumerable: false });
  }

  /** Prints the stack and then the whole log. @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `${this.stack ?? String(this)}\n--- verifier log${this.program === undefined ? '' : ` of ${this.program}`} ---\n${this.log.trimEnd()}\n--- end of verifier log ---`;
  }
}

/**
 * The last non-empty lines before the statistics. Nothing more is read out of the log: its shape changes from kernel to
 * kernel, but the reason always stands last.
 */
function tellingLines(log: string): string[] {
  const lines = log
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !/^(processed \d+ insns|verification time|stack depth|peak_states)/.test(line));
  return lines.length === 0 ? ['(the log is empty)'] : lines.slice(-QUOTED_LINES);
}

defineError(VerifierError, 'VerifierError');
