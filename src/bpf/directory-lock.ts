import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

import { Errno } from '../errors';
import { checkErrno, libc } from '../native';
import { closeOnError } from './fd';
import { Handle } from './handle';

/** linux/fs.h, for flock(2). */
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/**
 * A directory that one process at a time can hold: flock(2). The kernel frees it when the process ends, however that
 * happens.
 *
 * It is a file descriptor of the directory; {@link DirectoryLock.tryAcquire} locks it, {@link DirectoryLock.unlock} and
 * `close()` free it.
 */
export class DirectoryLock extends Handle {
  /** Path it was opened by. */
  readonly path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    super(`directory ${path}`);
    this.path = path;
    this.#fd = fd;
  }

  /**
   * Opens a directory, without locking it. The caller closes it.
   *
   * @param path - the directory; a symbolic link is refused
   * @throws an error of the file system, such as `'ENOENT'` or `'ELOOP'`
   */
  static open(path: string): DirectoryLock {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    return closeOnError(fd, () => new DirectoryLock(path, fd));
  }

  /** Inode number of what is open, which the path may not lead to any more. */
  get inode(): bigint {
    this.ensureOpen();
    return fstatSync(this.#fd, { bigint: true }).ino;
  }

  /** Locks it, without waiting. Returns whether that worked: false when another open file description holds it. */
  tryAcquire(): boolean {
    this.ensureOpen();
    for (;;) {
      try {
        checkErrno(() => libc.flock(this.#fd, LOCK_EX | LOCK_NB), { operation: 'flock', subject: this.label });
        return true;
      } catch (error) {
        const { errno } = error as { errno?: number };
        if (errno === Errno.EAGAIN) return false;
        if (errno !== Errno.EINTR) throw error;
      }
    }
  }

  /** Frees it. */
  unlock(): void {
    this.ensureOpen();
    checkErrno(() => libc.flock(this.#fd, LOCK_UN), { operation: 'flock', subject: this.label });
  }

  /**
   * Id of the process that holds it, from /proc/locks: `undefined` when nobody does, or when it is in another process
   * namespace.
   *
   * If the process has given the file descriptor on, that is the one that locked it.
   */
  holder(): number | undefined {
    const inode = this.inode.toString();
    try {
      for (const line of readFileSync('/proc/locks', 'latin1').split('\n')) {
        const [, kind, , , pid, file] = line.trim().split(/\s+/);
        if (kind === 'FLOCK' && file?.split(':')[2] === inode && isOnSameDevice(file, fstatSync(this.#fd).dev))
          return Number(pid) || undefined;
      }
    } catch {
      // No such file in this container: then it is not known.
    }
    return undefined;
  }

  /** @internal */
  protected override release(): void {
    closeSync(this.#fd);
  }
}

/** `00:1f:4711` has the device number in hexadecimal, major and minor. */
function isOnSameDevice(file: string, device: number): boolean {
  const [major = '', minor = ''] = file.split(':');
  // gnu_dev_major and gnu_dev_minor of sys/sysmacros.h, for numbers below 2^32.
  return (
    Number.parseInt(major, 16) === ((device >>> 8) & 0xfff) &&
    Number.parseInt(minor, 16) === ((device & 0xff) | ((device >>> 12) & 0xfff00))
  );
}
