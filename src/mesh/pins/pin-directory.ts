import { chmodSync, lstatSync, mkdirSync, rmdirSync, statfsSync, statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { DirectoryLock } from '../../bpf';
import { ForeignPinError, NotABpfFileSystemError, PinsInUseError } from '../../errors';

/** BPF_FS_MAGIC of linux/magic.h. */
const BPFFS_MAGIC = 0xcafe4a11;

/**
 * Looks at the directory for pins.
 *
 * @internal
 * @returns whether it is there
 * @throws NotABpfFileSystemError if it is not in a BPF file system, and could not be made in one
 * @throws ForeignPinError if something else is there, or if it belongs to another user
 */
export function pinDirectoryExists(path: string): boolean {
  let found: Stats | undefined;
  try {
    found = lstatSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw notUsable(path, 'it cannot be looked at', error);
  }
  if (found?.isSymbolicLink()) throw new ForeignPinError(path, 'a symbolic link, where the directory for pins is needed');
  const place = found === undefined ? dirname(path) : path;
  let type: number;
  try {
    ({ type } = statfsSync(place));
  } catch (error) {
    throw notUsable(path, `there is no directory ${place}`, error);
  }
  if (type !== BPFFS_MAGIC) throw new NotABpfFileSystemError(path, 'it is not in a BPF file system');
  if (found === undefined) return false;
  if (!found.isDirectory()) throw new ForeignPinError(path, 'a pin, where the directory for pins is needed');
  if (found.uid !== process.geteuid?.()) throw new ForeignPinError(path, `a directory of user ${found.uid}, who could put anything there`);
  return true;
}

function notUsable(path: string, reason: string, cause: unknown): NotABpfFileSystemError {
  const { errno } = cause as NodeJS.ErrnoException;
  return new NotABpfFileSystemError(path, reason, { cause, errno: errno === undefined ? undefined : Math.abs(errno) });
}

/** The directory for pins, held: no other process works with these pins until it is closed or the process ends. */
export class PinDirectory implements Disposable {
  readonly #lock: DirectoryLock;

  private constructor(
    readonly path: string,
    lock: DirectoryLock,
  ) {
    this.#lock = lock;
  }

  /**
   * Makes the directory if need be, mode 0700, and holds it.
   *
   * @throws PinsInUseError with the process that holds it
   */
  static hold(path: string): PinDirectory {
    for (;;) {
      if (!pinDirectoryExists(path)) makeDirectory(path);
      const held = PinDirectory.tryHold(path);
      if (held !== undefined) return held;
    }
  }

  /** Holds the directory if it is there: `undefined` if it went away meanwhile. */
  static tryHold(path: string): PinDirectory | undefined {
    let lock: DirectoryLock;
    try {
      lock = DirectoryLock.open(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      if (!lock.tryAcquire()) throw new PinsInUseError(path, lock.holder(), { operation: 'flock' });
      // A removal may have taken the directory away between opening and locking it.
      if (statSync(path, { bigint: true, throwIfNoEntry: false })?.ino === lock.inode) {
        chmodSync(path, 0o700);
        return new PinDirectory(path, lock);
      }
    } catch (error) {
      lock.close();
      throw error;
    }
    lock.close();
    return undefined;
  }

  /** Removes the directory if nothing is in it. */
  removeIfEmpty(): void {
    removeIfEmpty(this.path);
  }

  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** Makes a directory that may be there already. */
export function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Removes a directory that may be gone already, not be empty, or lie where only another user may remove it: who made it for us keeps it. */
export function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
