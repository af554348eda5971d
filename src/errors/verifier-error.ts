import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/** Number of lines of the log that the message quotes. */
const QUOTED_LINES = 3;

/**
 * The kernel's verifier refused a program.
 *
 * The message quotes the last relevant lines of the verifier's log. {@link VerifierError.log} is the whole log.
 * `console.error` and `util.inspect` print all of it.
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
  /** Always `'ERR_BPF_VERIFIER'`. */
  declare readonly code: 'ERR_BPF_VERIFIER';
  /** Name of the refused program, or `undefined` if libbpf did not report it. */
  readonly program: string | undefined;
  /** The complete log of the verifier. Not enumerable, so that a printed error shows it only once, below the stack. */
  declare readonly log: string;

  /**
   * Creates the error.
   *
   * @param program - name of the refused program
   * @param log - complete log of the verifier
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

  /**
   * Formats the stack, followed by the whole log.
   *
   * @internal
   */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `${this.stack ?? String(this)}\n--- verifier log${this.program === undefined ? '' : ` of ${this.program}`} ---\n${this.log.trimEnd()}\n--- end of verifier log ---`;
  }
}

/**
 * The last non-empty lines before the statistics. The format of the log changes between kernel releases, but the reason
 * always comes last, so nothing else is parsed.
 */
function tellingLines(log: string): string[] {
  const lines = log
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !/^(processed \d+ insns|verification time|stack depth|peak_states)/.test(line));
  return lines.length === 0 ? ['(the log is empty)'] : lines.slice(-QUOTED_LINES);
}

defineError(VerifierError, 'VerifierError');
