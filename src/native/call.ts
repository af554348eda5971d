/** Converts results of C functions to errors. Failures are recognised only here. */
import { BpfError, Errno, NotSupportedError, PermissionError } from '../errors';
import { missingCapabilities } from './capabilities';
import { ffi } from './ffi';
import { whyRefused } from './refusal';

/** The operation and its subject, for error messages. */
export interface CallContext {
  /** Name of the C function. */
  readonly operation: string;
  /** The object of the operation, such as `'map "pods"'`. */
  readonly subject?: string | undefined;
  /** Replaces the hint of the table. */
  readonly hint?: string | undefined;
  /** Output of libbpf during the call, for the cause. */
  readonly lines?: readonly string[] | undefined;
}

/** Operations for which EPERM means that bpf(2) itself is refused. Other operations have further reasons. */
const NEEDS_BPF_ALONE = /^(bpf_object__load|bpf_map_create|bpf_prog_load|bpf_prog_query)$/;

/**
 * Creates the error for an error number.
 *
 * @param errno - positive error number
 * @param context - operation and subject
 * @returns a {@link PermissionError} for EPERM or EACCES if capabilities are missing, or for EPERM if bpf(2) itself is
 * refused; a {@link NotSupportedError} if bpf(2) returns ENOSYS; otherwise a BpfError (`ERR_BPF_SYSTEM_CALL`)
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
      hint: 'the kernel was built without it, or a seccomp profile blocks it: allow bpf(2)',
      kernelOption: 'CONFIG_BPF_SYSCALL',
    });
  return new BpfError('ERR_BPF_SYSTEM_CALL', options);
}

/**
 * Checks the result of a libbpf 1.x function, which is a negated error number if it failed.
 *
 * @param result - result of the function
 * @param context - operation and subject
 * @returns the result, if it is not negative
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function check(result: number, context: CallContext): number {
  if (result < 0) throw systemError(-result, context);
  return result;
}

/**
 * Calls a function that does not return its error number, and reads errno.
 *
 * @param call - calls the function
 * @returns its result, and errno after the call
 */
export function withErrno(call: () => number): { readonly result: number; readonly errno: number } {
  const result = call();
  return { result, errno: ffi().errno() };
}

/**
 * Calls a function of libbpf that returns a pointer, and sets errno if the pointer is NULL.
 *
 * @param call - calls the function
 * @returns the address, or 0 and the error number
 */
export function checkPointer(call: () => number): { address: number; errno: 0 } | { address: 0; errno: number } {
  const address = call();
  // errno must be read immediately after the call, because any other code may change it.
  if (address === 0) return { address: 0, errno: ffi().errno() };
  return { address, errno: 0 };
}

/**
 * Calls a function of the C library that returns -1 and sets errno if it fails.
 *
 * @param call - calls the function
 * @param context - operation and subject
 * @returns the result, if it is not -1
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function checkErrno(call: () => number, context: CallContext): number {
  const result = call();
  if (result === -1) throw systemError(ffi().errno(), context);
  return result;
}
