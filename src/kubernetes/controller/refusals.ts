import { MerbridgeError } from '../../errors';
import { PodRefusedError, PodsLeftOutError } from '../errors';
import { passing } from './reconcile';

/**
 * Reports the addresses that a table refused. The same refusals are reported only once, however often they are retried.
 *
 * @internal
 */
export class Refusals {
  readonly #report: (error: Error) => void;
  #told = '';

  /**
   * @param report - receives an error for all addresses that do not fit, and one for each other address
   */
  constructor(report: (error: Error) => void) {
    this.#report = report;
  }

  /**
   * Reports the refusals of a round.
   *
   * @param refused - errors of the table by address
   * @param isEnrolled - whether an address is in the table, with its previous options
   * @returns `'closed'` if it reported that the table is closed, so that no retry can succeed
   */
  tell(refused: ReadonlyMap<string, Error>, isEnrolled: (address: string) => boolean): 'closed' | 'open' {
    const now = [...refused].map(([address, error]) => `${address} ${error.message}`).join('\n');
    if (now === this.#told) return 'open';
    this.#told = now;
    const full = [...refused].filter(([, error]) => codeOf(error) === 'ERR_BPF_MAP_FULL');
    if (full.length > 0) this.#report(leftOut(full));
    for (const [address, error] of refused) {
      const code = codeOf(error);
      if (code === 'ERR_BPF_MAP_FULL') continue;
      if (code === 'ERR_BPF_CLOSED') {
        this.#report(error);
        return 'closed';
      }
      this.#report(refusal(address, error, isEnrolled(address)));
    }
    return 'open';
  }
}

function codeOf(error: Error): string | undefined {
  return error instanceof MerbridgeError ? error.code : undefined;
}

function leftOut(full: readonly (readonly [address: string, error: Error])[]): PodsLeftOutError {
  const cause = full[0]![1] as MerbridgeError; // it names the option that sizes the full map
  const hint = cause.hint && `${cause.hint}; the other pods are enrolled, and these will be retried`;
  return new PodsLeftOutError(
    full.map(([address]) => address),
    { cause, ...(hint && { hint }) },
  );
}

function refusal(address: string, cause: Error, isEnrolled: boolean): PodRefusedError {
  const problem = { name: '', position: 0, entry: address, reason: cause.message };
  const now = isEnrolled ? 'it keeps its previous options' : 'it is not enrolled';
  return new PodRefusedError(
    address,
    [problem],
    `${now}, until ${passing(cause) ? 'a retry succeeds' : 'the pod changes'}`,
    { cause },
  );
}
