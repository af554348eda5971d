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

/** Types of the maps of bpf/ that not every kernel has. */
export const MAP_TYPES: readonly MapTypeName[] = [
  'sockhash',
  'sk_storage',
  'lru_hash',
  'lpm_trie',
  'array_of_maps',
  'percpu_array',
  'ringbuf',
];
/** Types of the programs of bpf/. */
const PROGRAM_TYPES: readonly ProgramTypeName[] = [
  'cgroup_skb',
  'cgroup_sock_addr',
  'cgroup_sockopt',
  'sock_ops',
  'sk_msg',
];

/**
 * Looks for what the programs need, before any of them is loaded: what libbpf and the kernel say later does not name
 * it.
 *
 * @internal
 * @throws PermissionError, LibraryLoadError or NotSupportedError with what is missing
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
 * What a start, or a removal, throws for an error of the file system: one of this library, with what to do.
 *
 * @internal
 * @param error - what was caught
 * @returns the error to throw; the same if it is one of this library that says what was wrong
 */
export function typedError(error: unknown): unknown {
  const exhaustion = exhausted(error);
  if (exhaustion !== undefined) return exhaustion;
  // A pin that could not be opened for want of something else is not foreign.
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
