/** From results of C to errors: the only place where a failure is recognised. */
import { BpfError, Errno, NotSupportedError, PermissionError } from '../errors';
import { missingCapabilities } from './capabilities';
import { ffi } from './ffi';
import { whyRefused } from './refusal';

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

/**
 * What the kernel answers EPERM to only where it refuses bpf(2) as such; other operations have reasons of their own.
 */
const NEEDS_BPF_ALONE = /^(bpf_object__load|bpf_map_create|bpf_prog_load|bpf_prog_query)$/;

/**
 * The error for a positive error number. EPERM becomes a {@link PermissionError} when capabilities are missing, or when
 * bpf(2) is refused as such; ENOSYS of bpf(2) a {@link NotSupportedError}.
 */
export function systemError(errno: number, context: CallContext): BpfError {
  const { operation, subject, hint, lines } = context;
  const cause = lines === undefined || lines.length === 0 ? undefined : new Error(`libbpf: ${lines.join('\n')}`);
  const options = { errno, operation, subject, hint, cause };
  if (errno === Errno.EPERM || errno === Errno.EACCES) {
    const missing = missingCapabilities();
    if (missing.length > 0) return new PermissionError(missing, options);
    if (errno === Errno.EPERM && NEEDS_BPF_ALONE.test(operation))
      return new PermissionError([], { ...options, hint: whyRefused() });
  }
  if (errno === Errno.ENOSYS && operation.startsWith('bpf_'))
    return new NotSupportedError('the system call bpf()', {
      ...options,
      hint: 'the kernel was built without it, or a seccomp profile hides it: let bpf(2) through',
      kernelOption: 'CONFIG_BPF_SYSCALL',
    });
  return new BpfError('ERR_BPF_SYSTEM_CALL', options);
}

/** Passes a result on, or throws if it is negative: libbpf 1.x returns the negated error number. */
export function check(result: number, context: CallContext): number {
  if (result < 0) throw systemError(-result, context);
  return result;
}

/** Calls a function that does not return the error number of what failed in it. */
export function withErrno(call: () => number): { readonly result: number; readonly errno: number } {
  const result = call();
  return { result, errno: ffi().errno() };
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
