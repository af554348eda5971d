import { BpfError, type BpfErrorOptions } from './bpf-error';
import { errnoNumber } from './errno';

/**
 * Errors of this process or of the machine, whatever was being done: not of the path, the object or the program that
 * was at hand.
 */
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * Looks for a limit that was met behind an error, so that it is told instead of what failed because of it: a file that
 * could not be opened for want of a file descriptor is neither missing nor damaged.
 *
 * @internal
 * @param error - what was caught: of this library, or of Node.js's file system
 * @param context - what was being done, where the error does not say
 * @returns the error to throw instead; `undefined` if no limit was met
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
