/**
 * Service mesh acceleration with eBPF. {@link MeshAccelerator} is the way in. The BPF classes below it are in
 * `merbridge/bpf`.
 *
 * @packageDocumentation
 */
export {
  AlreadyAttachedError,
  BpfError,
  ClosedError,
  ForeignPinError,
  InvalidAddressError,
  IterationAbortedError,
  KernelAdvisoryError,
  LibraryLoadError,
  MapFullError,
  MapIncompatibleError,
  MerbridgeError,
  NotABpfFileSystemError,
  NotACgroupError,
  NotPinnedError,
  NotSupportedError,
  ObjectFileError,
  PermissionError,
  PinConflictError,
  PinsInUseError,
  PodRulesError,
  RingInUseError,
  UnreadNotCountedError,
  VerifierError,
  type AnyBpfError,
  type AnyMerbridgeError,
  type AttachedProgram,
  type AttachmentHolder,
  type BpfErrorCode,
  type BpfErrorOptions,
  type BpfSystemCallError,
  type KernelAdvisory,
  type KubernetesErrorCode,
  type LibraryErrorCode,
  type LibraryLoadErrorOptions,
  type MapDifference,
  type MerbridgeErrorCode,
  type MerbridgeErrorOptions,
  type NotSupportedErrorOptions,
  type PodErrorCode,
  type PodRulesProblem,
} from './errors';
export type { AttachTypeName } from './bpf';
export * from './mesh';
