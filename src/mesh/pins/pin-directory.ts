import { lstatSync, mkdirSync, rmdirSync, statfsSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { DirectoryLock } from '../../bpf/internal';
import { ForeignPinError, NotABpfFileSystemError, PinsInUseError } from '../../errors';

/** BPF_FS_MAGIC of linux/magic.h. */
const BPFFS_MAGIC = 0xcafe4a11;
/** Inode number of the root of a BPF file system: simple_fill_super of the kernel's fs/libfs.c. */
const ROOT_INODE = 1;
/** Mode of the directories that are created here. An existing directory keeps its mode. */
const MODE = 0o700;

/**
 * Checks the pin directory and changes nothing.
 *
 * @internal
 * @param path - path of the pin directory
 * @returns whether it exists
 * @throws NotABpfFileSystemError (`ERR_BPF_NOT_A_BPFFS`) if it is not in a BPF file system, or its parent is not
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if the path is not a directory or is the root of a BPF file system,
 * or if another user may write to it
 */
export function pinDirectoryExists(path: string): boolean {
  let found: Stats | undefined;
  try {
    found = lstatSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw notUsable(path, 'its status cannot be read', error);
  }
  if (found?.isSymbolicLink())
    throw new ForeignPinError(path, 'a symbolic link, where the directory for pins is needed');
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
  if (found.ino === ROOT_INODE) {
    const hint = `name a directory below it, such as ${join(path, 'merbridge')}`;
    throw new ForeignPinError(path, 'the root of a BPF file system, which others use too', { hint });
  }
  assertOwnDirectory(path, found);
  return true;
}

/**
 * Checks that only this user may write to a directory. Another user could pin anything there, and the library would
 * take it for its own.
 *
 * @internal
 * @param path - path of the directory
 * @param found - its status, if the caller has it
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if it is not a directory, or if another user may write to it
 */
export function assertOwnDirectory(path: string, found: Stats = lstatSync(path)): void {
  if (!found.isDirectory())
    throw new ForeignPinError(path, 'something else, where a directory of this library belongs');
  if (found.uid !== process.geteuid?.())
    throw new ForeignPinError(path, `a directory of user ${found.uid}, who could put anything there`);
  if ((found.mode & 0o022) === 0) return;
  const mode = (found.mode & 0o7777).toString(8).padStart(4, '0');
  const hint = `if nothing of others is in it: chmod go-w ${path}`;
  throw new ForeignPinError(path, `a directory with mode ${mode}: other users could put anything there`, { hint });
}

function notUsable(path: string, reason: string, cause: unknown): NotABpfFileSystemError {
  const { errno } = cause as NodeJS.ErrnoException;
  return new NotABpfFileSystemError(path, reason, { cause, errno: errno === undefined ? undefined : Math.abs(errno) });
}

/**
 * A pin directory that this process holds. No other process may use its pins until this object is closed or the process
 * ends.
 */
export class PinDirectory implements Disposable {
  readonly #lock: DirectoryLock;
  readonly #isMade: boolean;

  private constructor(
    readonly path: string,
    lock: DirectoryLock,
    isMade: boolean,
  ) {
    this.#lock = lock;
    this.#isMade = isMade;
  }

  /**
   * Holds the directory. Creates it with mode 0700 if it does not exist. An existing directory is not changed.
   *
   * @param path - path of the pin directory
   * @returns the held directory. The caller closes it
   * @throws PinsInUseError (`ERR_BPF_PINS_IN_USE`) if another process holds it; the message has its id
   * @throws NotABpfFileSystemError (`ERR_BPF_NOT_A_BPFFS`) if it is not in a BPF file system
   * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if it is not a pin directory, or if another user may write to it
   */
  static hold(path: string): PinDirectory {
    for (;;) {
      const isMade = !pinDirectoryExists(path) && makeDirectory(path);
      const held = PinDirectory.tryHold(path, isMade);
      if (held !== undefined) return held;
    }
  }

  /**
   * Holds the directory if it exists.
   *
   * @param path - path of the pin directory
   * @param isMade - whether the caller has created it
   * @returns the held directory. The caller closes it. `undefined` if it was removed meanwhile
   * @throws PinsInUseError (`ERR_BPF_PINS_IN_USE`) if another process holds it; the message has its id
   * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if another user may write to it
   */
  static tryHold(path: string, isMade = false): PinDirectory | undefined {
    let lock: DirectoryLock;
    try {
      lock = DirectoryLock.open(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      if (!lock.tryAcquire()) throw new PinsInUseError(path, lock.holder(), { operation: 'flock' });
      // Another process may have removed the directory after it was opened and before it was locked.
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (found !== undefined && BigInt(found.ino) === lock.inode) {
        assertOwnDirectory(path, found);
        return new PinDirectory(path, lock, isMade);
      }
    } catch (error) {
      lock.close();
      throw error;
    }
    lock.close();
    return undefined;
  }

  /**
   * Removes the directory if it is empty and {@link PinDirectory.hold} created it. So a failed start leaves an existing
   * directory in place.
   */
  removeIfMade(): void {
    if (this.#isMade) removeIfEmpty(this.path);
  }

  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/**
 * Creates a directory, unless it exists and only this user may write to it.
 *
 * @param path - path of the directory
 * @returns whether it was created
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if the path is not a directory, or if another user may write to it
 * @throws Error (of node:fs) if it cannot be created
 */
export function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path, { mode: MODE });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  assertOwnDirectory(path);
  return false;
}

/**
 * Removes a pin directory if it is empty and has the mode with which a start creates it. A directory with another mode
 * was created by the user and stays.
 *
 * @param path - path of the pin directory
 */
export function removePinDirectory(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && (found.mode & 0o777) === MODE) removeIfEmpty(path);
}

/**
 * Removes a directory if it is empty. Does nothing if it does not exist, is not empty, is a mount point, or may only be
 * removed by another user.
 *
 * @param path - path of the directory
 * @throws Error (of node:fs) if removing it fails for another reason
 */
export function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EBUSY', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error;
  }
}
