import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

import { Errno } from '../errors';
import { checkErrno, libc } from '../native';
import { closeOnError } from './fd';
import { Handle } from './handle';

/** Operations of flock(2), from linux/fs.h. */
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/**
 * A directory that only one process at a time can lock: flock(2). The kernel releases the lock when the process ends,
 * even after SIGKILL.
 *
 * The object is a file descriptor of the directory. {@link DirectoryLock.tryAcquire} locks it; {@link
 * DirectoryLock.unlock} and `close()` release the lock.
 */
export class DirectoryLock extends Handle {
  /** Path that it was opened with. */
  readonly path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    super(`directory ${path}`);
    this.path = path;
    this.#fd = fd;
  }

  /**
   * Opens a directory without locking it.
   *
   * @param path - the directory. A symbolic link is refused
   * @returns the lock. The caller closes it
   * @throws Error (of node:fs) if it cannot be opened, for instance with code `'ENOENT'` or `'ELOOP'`
   */
  static open(path: string): DirectoryLock {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    return closeOnError(fd, () => new DirectoryLock(path, fd));
  }

  /** Inode number of the open directory. The path may meanwhile lead to another one. */
  get inode(): bigint {
    this.ensureOpen();
    return fstatSync(this.#fd, { bigint: true }).ino;
  }

  /**
   * Tries to lock the directory without waiting.
   *
   * @returns whether it is locked now; false if another open file description holds the lock
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the directory is closed
   */
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

  /**
   * Releases the lock.
   *
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the directory is closed
   */
  unlock(): void {
    this.ensureOpen();
    checkErrno(() => libc.flock(this.#fd, LOCK_UN), { operation: 'flock', subject: this.label });
  }

  /**
   * Looks up the process that holds the lock, in /proc/locks.
   *
   * @returns its id, or `undefined` if nobody holds it or the process is in another PID namespace. If the file
   * descriptor was passed on, it is the process that locked it
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the directory is closed
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
      // Without /proc/locks in this container, it is not known.
    }
    return undefined;
  }

  /** @internal */
  protected override release(): void {
    closeSync(this.#fd);
  }
}

/** In `00:1f:4711`, the first two parts are the major and minor device number in hexadecimal. */
function isOnSameDevice(file: string, device: number): boolean {
  const [major = '', minor = ''] = file.split(':');
  // gnu_dev_major and gnu_dev_minor of sys/sysmacros.h, for device numbers below 2^32.
  return (
    Number.parseInt(major, 16) === ((device >>> 8) & 0xfff) &&
    Number.parseInt(minor, 16) === ((device & 0xff) | ((device >>> 12) & 0xfff00))
  );
}
