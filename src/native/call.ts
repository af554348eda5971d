/** From results of C to errors: the only place where a failure is recognised. */
import { BpfError, Errno, PermissionError } from '../errors';
import { missingCapabilities } from './capabilities';
import { ffi } from './ffi';

/** What is being done, and to what: it ends up in the error. */
export interface CallContext {
  /** Name of the C function. */
  readonly operation: string;
  /** What it is done to, such as `'map "pods"'`. */
  readonly subject?: string | undefined;
  /** Overrides the hint of the table. */
  readonly hint?: string | undefined;
  /** Lines that libbpf wrote meanwhile, for the cause. */
  readonly lines?: readonly string[] | undefined;
}

/** The error for a positive error number. EPERM becomes a {@link PermissionError} when capabilities are missing. */
export function systemError(errno: number, context: CallContext): BpfError {
  const { operation, subject, hint, lines } = context;
  const cause = lines === undefined || lines.length === 0 ? undefined : new Error(`libbpf: ${lines.join('\n')}`);
  const options = { errno, operation, subject, hint, cause };
  if (errno === Errno.EPERM || errno === Errno.EACCES) {
    const missing = missingCapabilities();
    if (missing.length > 0) return new PermissionError(missing, options);
  }
  return new BpfError('ERR_BPF_SYSTEM_CALL', options);
}

/** Passes a result on, or throws if it is negative: libbpf 1.x returns the negated error number. */
export function check(result: number, context: CallContext): number {
  if (result < 0) throw systemError(-result, context);
  return result;
}

/** Calls a function of libbpf that returns a pointer and sets errno when that is NULL. */
export function checkPointer(call: () => number): { address: number; errno: 0 } | { address: 0; errno: number } {
  const address = call();
  // Nothing may stand between the call and this line: whatever runs next may change errno.
  if (address === 0) return { address: 0, errno: ffi().errno() };
  return { address, errno: 0 };
}

/** Calls a function of the C library that returns -1 and sets errno; throws then. */
export function checkErrno(call: () => number, context: CallContext): number {
  const result = call();
  if (result === -1) throw systemError(ffi().errno(), context);
  return result;
}
