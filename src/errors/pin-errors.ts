import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError, MerbridgeError, type MerbridgeErrorOptions } from './merbridge-error';

/**
 * A pin directory is not in a BPF file system, or cannot be used.
 *
 * @example
 * ```ts
 * import { MeshAccelerator, NotABpfFileSystemError } from 'merbridge';
 *
 * async function start(cgroup: string): Promise<MeshAccelerator> {
 *   try {
 *     return await MeshAccelerator.start({ cgroup, pinDirectory: '/sys/fs/bpf/merbridge' });
 *   } catch (error) {
 *     if (!(error instanceof NotABpfFileSystemError)) throw error;
 *     console.warn(error.message);
 *     return await MeshAccelerator.start({ cgroup }); // without pins
 *   }
 * }
 * ```
 */
export class NotABpfFileSystemError extends BpfError {
  /** Always `'ERR_BPF_NOT_A_BPFFS'`. */
  declare readonly code: 'ERR_BPF_NOT_A_BPFFS';

  /**
   * Creates the error.
   *
   * @param path - the directory
   * @param reason - what is wrong with it, in a few words
   * @param options - error number, operation, hint and cause, as far as they are known
   */
  constructor(path: string, reason: string, options: Omit<BpfErrorOptions, 'subject'> = {}) {
    super(
      'ERR_BPF_NOT_A_BPFFS',
      { hint: 'mount one with: mount -t bpf bpf /sys/fs/bpf', ...options, subject: path },
      reason,
    );
  }
}

/**
 * The pin directory contains something that this library did not create, or a pin that cannot be opened as what it
 * should be. The library never deletes it. Inspect it, and remove it by hand if nobody needs it.
 *
 * @example
 * ```ts
 * import { detachAll, ForeignPinError } from 'merbridge';
 *
 * async function remove(pinDirectory: string): Promise<void> {
 *   try {
 *     await detachAll({ pinDirectory });
 *   } catch (error) {
 *     if (!(error instanceof ForeignPinError)) throw error;
 *     console.error(`not removed: ${error.path}`);
 *   }
 * }
 * ```
 */
export class ForeignPinError extends BpfError {
  /** Always `'ERR_BPF_FOREIGN_PIN'`. */
  declare readonly code: 'ERR_BPF_FOREIGN_PIN';
  /** Path of the foreign entry. */
  readonly path: string;

  /**
   * Creates the error.
   *
   * @param path - path of the foreign entry
   * @param reason - what it is, and what it should be
   * @param options - error number, operation, hint and cause, as far as they are known
   */
  constructor(path: string, reason: string, options: Omit<BpfErrorOptions, 'subject'> = {}) {
    const hint = 'look at it with bpftool, and remove it by hand if nobody needs it';
    super('ERR_BPF_FOREIGN_PIN', { hint, ...options, subject: path }, reason);
    this.path = path;
  }
}

/**
 * Another process uses the same pin directory. Only one process at a time may.
 *
 * @example
 * ```ts
 * import { detachAll, PinsInUseError } from 'merbridge';
 *
 * async function remove(pinDirectory: string): Promise<void> {
 *   try {
 *     await detachAll({ pinDirectory });
 *   } catch (error) {
 *     if (!(error instanceof PinsInUseError)) throw error;
 *     console.error(`stop process ${error.pid ?? '(unknown)'} first`);
 *   }
 * }
 * ```
 */
export class PinsInUseError extends MerbridgeError {
  /** Always `'ERR_BPF_PINS_IN_USE'`. */
  declare readonly code: 'ERR_BPF_PINS_IN_USE';
  /** The pin directory. */
  readonly path: string;
  /**
   * Id of the process that uses the directory, as this process sees it. `undefined` if it is in another PID namespace.
   */
  readonly pid: number | undefined;

  /**
   * Creates the error.
   *
   * @param path - the directory
   * @param pid - id of the process that uses it, if it is known
   * @param options - operation, hint and cause, as far as they are known
   */
  constructor(path: string, pid: number | undefined, options: Omit<MerbridgeErrorOptions, 'subject'> = {}) {
    const hint = 'end that process first; the kernel frees the directory when it is gone';
    super(
      'ERR_BPF_PINS_IN_USE',
      { hint, ...options, subject: path },
      `in use by ${pid === undefined ? 'another process' : `process ${pid}`}`,
    );
    this.path = path;
    this.pid = pid;
  }
}

/**
 * The pins belong to a mesh that was started for another cgroup, with another profile, or with another layout of its
 * maps.
 *
 * @example
 * ```ts
 * import { detachAll, MeshAccelerator, PinConflictError } from 'merbridge';
 *
 * async function start(cgroup: string, pinDirectory: string): Promise<MeshAccelerator> {
 *   try {
 *     return await MeshAccelerator.start({ cgroup, pinDirectory });
 *   } catch (error) {
 *     if (!(error instanceof PinConflictError)) throw error;
 *     await detachAll({ pinDirectory });
 *     return await MeshAccelerator.start({ cgroup, pinDirectory });
 *   }
 * }
 * ```
 */
export class PinConflictError extends MerbridgeError {
  /** Always `'ERR_BPF_PIN_CONFLICT'`. */
  declare readonly code: 'ERR_BPF_PIN_CONFLICT';
  /** The pin directory. */
  readonly path: string;
  /** Which property differs. */
  readonly property: 'cgroup' | 'profile' | 'layout';
  /** Value of the property in the pins. */
  readonly pinned: string;
  /** Value that was requested. */
  readonly wanted: string;

  /**
   * Creates the error.
   *
   * @param path - the directory
   * @param property - which property differs
   * @param values - its value in the pins, and the requested one
   * @param options - operation, hint and cause, as far as they are known
   */
  constructor(
    path: string,
    property: 'cgroup' | 'profile' | 'layout',
    values: { readonly pinned: string; readonly wanted: string },
    options: Omit<MerbridgeErrorOptions, 'subject'> = {},
  ) {
    const { pinned, wanted } = values;
    super(
      'ERR_BPF_PIN_CONFLICT',
      { ...options, subject: path },
      `the pins are of ${property} ${pinned}, but ${wanted} was asked for`,
    );
    this.path = path;
    this.property = property;
    this.pinned = pinned;
    this.wanted = wanted;
  }
}

/**
 * No mesh is pinned in the given directory.
 *
 * @example
 * ```ts
 * import { NotPinnedError, PinnedMesh } from 'merbridge';
 *
 * function openMesh(pinDirectory: string): PinnedMesh | undefined {
 *   try {
 *     return PinnedMesh.open(pinDirectory);
 *   } catch (error) {
 *     if (error instanceof NotPinnedError) return undefined;
 *     throw error;
 *   }
 * }
 * ```
 */
export class NotPinnedError extends MerbridgeError {
  /** Always `'ERR_BPF_NOT_PINNED'`. */
  declare readonly code: 'ERR_BPF_NOT_PINNED';

  /**
   * Creates the error.
   *
   * @param path - the directory
   * @param options - operation, hint and cause, as far as they are known
   */
  constructor(path: string, options: Omit<MerbridgeErrorOptions, 'subject'> = {}) {
    super('ERR_BPF_NOT_PINNED', { ...options, subject: path }, 'no mesh is pinned there');
  }
}

defineError(NotABpfFileSystemError, 'NotABpfFileSystemError');
defineError(ForeignPinError, 'ForeignPinError');
defineError(PinsInUseError, 'PinsInUseError');
defineError(PinConflictError, 'PinConflictError');
defineError(NotPinnedError, 'NotPinnedError');
