import type { MapTypeName, ProgramTypeName } from '../bpf';
import { missingCapabilities, requireBpf, requireBtf, requireTypes } from '../bpf/internal';
import {
  BpfError,
  Errno,
  exhausted,
  ForeignPinError,
  NotABpfFileSystemError,
  NotSupportedError,
  PermissionError,
} from '../errors';

/** Map types that the programs in bpf/ use and that not every kernel has. */
export const MAP_TYPES: readonly MapTypeName[] = [
  'sockhash',
  'sk_storage',
  'lru_hash',
  'lpm_trie',
  'array_of_maps',
  'percpu_array',
  'ringbuf',
];
/** Types of the programs in bpf/. */
const PROGRAM_TYPES: readonly ProgramTypeName[] = [
  'cgroup_skb',
  'cgroup_sock_addr',
  'cgroup_sockopt',
  'sock_ops',
  'sk_msg',
];

/**
 * Checks the requirements of the programs before any of them is loaded, because later errors of libbpf and the kernel
 * do not say what is missing.
 *
 * @internal
 * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
 * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf or the native addon cannot be loaded
 * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if the kernel lacks a feature
 */
export function assertRequirements(): void {
  const missing = missingCapabilities();
  if (missing.length > 0)
    throw new PermissionError(missing, { errno: Errno.EPERM, operation: 'MeshAccelerator.start' });
  requireBpf();
  requireBtf();
  requireTypes({ maps: MAP_TYPES, programs: PROGRAM_TYPES });
}

/**
 * Converts an error of a start or a removal, such as one of node:fs, to an error of this library with a hint.
 *
 * @internal
 * @param error - the error that was caught
 * @returns the error to throw. The same one if it already is a specific error of this library
 */
export function typedError(error: unknown): unknown {
  const exhaustion = exhausted(error);
  if (exhaustion !== undefined) return exhaustion;
  // A pin that could not be opened because the system lacks a feature is not foreign.
  if (error instanceof ForeignPinError && error.cause instanceof NotSupportedError) return error.cause;
  if (error instanceof ForeignPinError && error.errno === Errno.EROFS)
    return readOnly(error.subject ?? 'the BPF file system', {
      errno: Errno.EROFS,
      operation: error.operation,
      cause: error,
    });
  if (error instanceof BpfError || !(error instanceof Error)) return error;
  const { code, errno, syscall, path } = error as NodeJS.ErrnoException;
  if (errno === undefined || syscall === undefined) return error;
  const options = { errno: Math.abs(errno), operation: syscall, cause: error };
  if (code !== 'EROFS' || path === undefined) return new BpfError('ERR_BPF_SYSTEM_CALL', { ...options, subject: path });
  return readOnly(path, options);
}

function readOnly(
  path: string,
  options: { readonly errno: number; readonly operation: string | undefined; readonly cause: unknown },
): BpfError {
  const hint =
    'mount it writable: mount -o remount,rw and its mount point; in a container the volume must not be readOnly';
  return new NotABpfFileSystemError(path, 'the BPF file system is mounted read-only', { ...options, hint });
}
