import { lstatSync, mkdirSync, rmdirSync, statfsSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { DirectoryLock } from '../../bpf/internal';
import { ForeignPinError, NotABpfFileSystemError, PinsInUseError } from '../../errors';

/** BPF_FS_MAGIC of linux/magic.h. */
const BPFFS_MAGIC = 0xcafe4a11;
/** Inode number of the root of a BPF file system: simple_fill_super of the kernel's fs/libfs.c. */
const ROOT_INODE = 1;
/** Mode of what is made here. A directory that is there already keeps its own. */
const MODE = 0o700;

/**
 * Looks at the directory for pins, and changes nothing.
 *
 * @internal
 * @returns whether it is there
 * @throws NotABpfFileSystemError if it is not in a BPF file system, and could not be made in one
 * @throws ForeignPinError if something else is there, if it is the root of a BPF file system, or if another user could
 * put something there
 */
export function pinDirectoryExists(path: string): boolean {
  let found: Stats | undefined;
  try {
    found = lstatSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw notUsable(path, 'it cannot be looked at', error);
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
 * Whoever may write to a directory can pin anything there, which would then be taken for ours.
 *
 * @internal
 * @throws ForeignPinError if it is none, or if another user may write to it
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

/** The directory for pins, held: no other process works with these pins until it is closed or the process ends. */
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
   * Makes the directory if need be, mode 0700, and holds it. One that is there stays as it is.
   *
   * @throws PinsInUseError with the process that holds it
   */
  static hold(path: string): PinDirectory {
    for (;;) {
      const isMade = !pinDirectoryExists(path) && makeDirectory(path);
      const held = PinDirectory.tryHold(path, isMade);
      if (held !== undefined) return held;
    }
  }

  /** Holds the directory if it is there: `undefined` if it went away meanwhile. */
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
      // A removal may have taken the directory away between opening and locking it.
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
   * Removes the directory if nothing is in it and {@link PinDirectory.hold} made it: a start that fails leaves what it
   * found.
   */
  removeIfMade(): void {
    if (this.#isMade) removeIfEmpty(this.path);
  }

  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/**
 * Makes a directory that may be there already, and then has to be ours.
 *
 * @returns whether it was made
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
 * Removes a pin directory if nothing is in it. One with another mode than a start makes it with was made by somebody
 * else, and stays.
 */
export function removePinDirectory(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && (found.mode & 0o777) === MODE) removeIfEmpty(path);
}

/**
 * Removes a directory that may be gone already, not be empty, be a mount point, or lie where only another user may
 * remove it.
 */
export function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EBUSY', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error;
  }
}
