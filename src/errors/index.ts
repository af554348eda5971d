import type { BpfError } from './bpf-error';
import type { ClosedError } from './closed-error';
import type { InvalidAddressError } from './invalid-address-error';
import type { KernelAdvisoryError } from './kernel-advisory-error';
import type { LibraryLoadError } from './library-load-error';
import type { IterationAbortedError, MapFullError, MapIncompatibleError } from './map-errors';
import type { NotSupportedError } from './not-supported-error';
import type { ObjectFileError } from './object-file-error';
import type { PermissionError } from './permission-error';
import type {
  ForeignPinError,
  NotABpfFileSystemError,
  NotPinnedError,
  PinConflictError,
  PinsInUseError,
} from './pin-errors';
import type { PodRulesError } from './pod-rules-error';
import type { AlreadyAttachedError, NotACgroupError, RingInUseError } from './target-errors';
import type { UnreadNotCountedError } from './unread-not-counted-error';
import type { VerifierError } from './verifier-error';

export { BpfError, type BpfErrorOptions } from './bpf-error';
export type { BpfErrorCode, KubernetesErrorCode, LibraryErrorCode, MerbridgeErrorCode, PodErrorCode } from './codes';
export { ClosedError } from './closed-error';
export { Errno, errnoName, errnoNumber, errnoText } from './errno';
/** @internal */
export { exhausted } from './exhausted';
export { InvalidAddressError } from './invalid-address-error';
export { KernelAdvisoryError, type KernelAdvisory } from './kernel-advisory-error';
export { LIBBPF_PACKAGES, LibraryLoadError, type LibraryLoadErrorOptions } from './library-load-error';
export { IterationAbortedError, MapFullError, MapIncompatibleError, type MapDifference } from './map-errors';
export { MerbridgeError, type MerbridgeErrorOptions } from './merbridge-error';
/** @internal */
export { defineError } from './merbridge-error';
export { NotSupportedError, type NotSupportedErrorOptions } from './not-supported-error';
export { ObjectFileError } from './object-file-error';
export { PermissionError } from './permission-error';
export {
  ForeignPinError,
  NotABpfFileSystemError,
  NotPinnedError,
  PinConflictError,
  PinsInUseError,
} from './pin-errors';
export { PodRulesError, type PodRulesProblem } from './pod-rules-error';
/** @internal */
export { firstProblems, isEnough, listProblems } from './pod-rules-error';
/** @internal */
export { printable, quoted, shown } from './printable';
export {
  AlreadyAttachedError,
  NotACgroupError,
  RingInUseError,
  type AttachedProgram,
  type AttachmentHolder,
} from './target-errors';
/** @internal */
export { describeHolder } from './target-errors';
export { UnreadNotCountedError } from './unread-not-counted-error';
/** @internal */
export { FIONREAD_PROGRAMS } from './unread-not-counted-error';
export { VerifierError } from './verifier-error';

/**
 * A refusal by the kernel or by libbpf for which there is no class of its own.
 *
 * `errno` and `errnoName` say which refusal it is.
 */
export type BpfSystemCallError = BpfError & { readonly code: 'ERR_BPF_SYSTEM_CALL' };

/** Union of every {@link BpfError}, discriminated by `code`. */
export type AnyBpfError =
  | AlreadyAttachedError
  | BpfSystemCallError
  | ForeignPinError
  | IterationAbortedError
  | LibraryLoadError
  | MapFullError
  | MapIncompatibleError
  | NotABpfFileSystemError
  | NotACgroupError
  | NotSupportedError
  | ObjectFileError
  | PermissionError
  | RingInUseError
  | VerifierError;

/**
 * Union of every error of the main entry point, discriminated by `code`.
 *
 * @example
 * ```ts
 * import { MerbridgeError, type AnyMerbridgeError } from 'merbridge';
 *
 * function advise(error: unknown): string {
 *   if (!(error instanceof MerbridgeError)) throw error;
 *   const known = error as AnyMerbridgeError;
 *   switch (known.code) {
 *     case 'ERR_BPF_PERMISSION':
 *       return `missing: ${known.missing.join(' ')}`;
 *     case 'ERR_BPF_VERIFIER':
 *       return known.log;
 *     default:
 *       return known.message;
 *   }
 * }
 * ```
 */
export type AnyMerbridgeError =
  | AnyBpfError
  | ClosedError
  | InvalidAddressError
  | KernelAdvisoryError
  | NotPinnedError
  | PinConflictError
  | PinsInUseError
  | PodRulesError
  | UnreadNotCountedError;
