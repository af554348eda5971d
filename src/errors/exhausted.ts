import { BpfError, type BpfErrorOptions } from './bpf-error';
import { errnoNumber } from './errno';

/**
 * Errors that say that this process or the machine has reached a limit, whatever operation failed. They do not concern
 * the path, the object or the program in question.
 */
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * Finds a reached resource limit behind an error, so that it is reported instead of the operation that failed because
 * of it. For instance, a file that could not be opened because of EMFILE is neither missing nor damaged.
 *
 * @internal
 * @param error - a caught error, of this library or of node:fs
 * @param context - operation and subject, if the error does not name them
 * @returns the error to throw instead, or `undefined` if no limit was reached
 */
export function exhausted(
  error: unknown,
  context: Pick<BpfErrorOptions, 'operation' | 'subject'> = {},
): BpfError | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code, errnoName, operation, syscall, subject, path } = at as Partial<BpfError> & NodeJS.ErrnoException;
    const name = errnoName ?? code ?? '';
    if (!EXHAUSTED.has(name)) continue;
    if (at === error && code === 'ERR_BPF_SYSTEM_CALL') return at as BpfError;
    return new BpfError('ERR_BPF_SYSTEM_CALL', {
      errno: errnoNumber(name),
      operation: context.operation ?? operation ?? syscall,
      subject: context.subject ?? subject ?? path,
      cause: error,
    });
  }
  return undefined;
}
