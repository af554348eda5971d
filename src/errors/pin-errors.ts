import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError, MerbridgeError, type MerbridgeErrorOptions } from './merbridge-error';

/** A directory for pins is not in a BPF file system, or cannot be used as one. */
export class NotABpfFileSystemError extends BpfError {
  declare readonly code: 'ERR_BPF_NOT_A_BPFFS';

  /**
   * @param path - the directory
   * @param reason - what is wrong with it, in a few words
   * @param options - the usual facts
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
 * Something lies among the pins that this library did not put there, or that cannot be opened as what it should be. It
 * is never deleted: look at it, and take it away by hand if nobody needs it.
 */
export class ForeignPinError extends BpfError {
  declare readonly code: 'ERR_BPF_FOREIGN_PIN';
  /** Where it lies. */
  readonly path: string;

  /**
   * @param path - where it lies
   * @param reason - what it is, and what it should be
   * @param options - the usual facts
   */
  constructor(path: string, reason: string, options: Omit<BpfErrorOptions, 'subject'> = {}) {
    const hint = 'look at it with bpftool, and remove it by hand if nobody needs it';
    super('ERR_BPF_FOREIGN_PIN', { hint, ...options, subject: path }, reason);
    this.path = path;
  }
}

/** Another process works with the same pins. One at a time may. */
export class PinsInUseError extends MerbridgeError {
  declare readonly code: 'ERR_BPF_PINS_IN_USE';
  /** Where the pins are. */
  readonly path: string;
  /** Id of the process that holds them, as this process sees it; `undefined` if it is in another process namespace. */
  readonly pid: number | undefined;

  /**
   * @param path - the directory
   * @param pid - who holds it, if that is known
   * @param options - the usual facts
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

/** The pins belong to a mesh that was started otherwise: at another cgroup, for another profile, by another layout. */
export class PinConflictError extends MerbridgeError {
  declare readonly code: 'ERR_BPF_PIN_CONFLICT';
  /** Where the pins are. */
  readonly path: string;
  /** What differs. */
  readonly property: 'cgroup' | 'profile' | 'layout';
  /** What the pins have. */
  readonly pinned: string;
  /** What was asked for. */
  readonly wanted: string;

  /**
   * @param path - the directory
   * @param property - what differs
   * @param values - what the pins have, and what was asked for
   * @param options - the usual facts
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

/** Nothing is pinned where a mesh was looked for. */
export class NotPinnedError extends MerbridgeError {
  declare readonly code: 'ERR_BPF_NOT_PINNED';

  /**
   * @param path - the directory
   * @param options - the usual facts
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
