import { statSync } from 'node:fs';
import { DirectoryLock } from '../../bpf/internal';
import type { Writers } from '../maps/mesh-settings';
import { pinPaths } from './pin-tree';

/**
 * How long a writer waits for another one. Its work takes milliseconds, and some hundred of them on a busy machine; but
 * it may be stopped, which must not stop this process.
 */
const PATIENCE_MS = 1000;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * One process at a time changes the settings of a pinned mesh, or which set of maps they are in.
 *
 * @internal
 */
export class WriterLock implements Writers, Disposable {
  #directory: DirectoryLock;
  #depth = 0;

  private constructor(directory: DirectoryLock) {
    this.#directory = directory;
  }

  /** Opens it, without locking anything. The directory of the layout is what is locked; it has to be there. */
  static open(pinDirectory: string): WriterLock {
    return new WriterLock(DirectoryLock.open(pinPaths(pinDirectory).layout));
  }

  /**
   * Runs a function while no other process writes, or after that one was waited for in vain. The function may call this
   * again.
   *
   * @param body - what to do; not asynchronous
   */
  hold<T>(body: () => T): T {
    const isLocked = this.#depth === 0 && this.#acquire();
    this.#depth++;
    try {
      return body();
    } finally {
      this.#depth--;
      if (isLocked) this.#directory.unlock();
    }
  }

  #acquire(): boolean {
    const patience = performance.now() + PATIENCE_MS;
    while (!(this.#directory.tryAcquire() && this.#isThere())) {
      if (performance.now() > patience) {
        this.#directory.unlock(); // it may be the one that is not there any more
        return false;
      }
      Atomics.wait(sleeper, 0, 0, 1);
    }
    return true;
  }

  /**
   * Whether the directory is the one that others lock. After a removal and another start it is not: then that one is
   * opened.
   */
  #isThere(): boolean {
    const { path, inode } = this.#directory;
    const there = statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
    if (there === undefined || there === inode) return true;
    try {
      const now = DirectoryLock.open(path);
      this.#directory.close();
      this.#directory = now;
    } catch {
      // Removed at this moment: looked at once more.
    }
    return false;
  }

  [Symbol.dispose](): void {
    this.#directory.close();
  }
}
