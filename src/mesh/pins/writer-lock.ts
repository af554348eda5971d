import { statSync } from 'node:fs';
import { DirectoryLock } from '../../bpf/internal';
import type { Writers } from '../maps/mesh-settings';
import { pinPaths } from './pin-tree';

/**
 * Maximum time that a writer waits for another one. A writer holds the lock for milliseconds, or some hundred
 * milliseconds on a busy machine. But the other process may be stopped, which must not block this one.
 */
const PATIENCE_MS = 1000;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * A lock for changes of the settings of a pinned mesh, and of the set of maps that contains them. One process at a time
 * holds it.
 *
 * @internal
 */
export class WriterLock implements Writers, Disposable {
  #directory: DirectoryLock;
  #depth = 0;

  private constructor(directory: DirectoryLock) {
    this.#directory = directory;
  }

  /**
   * Opens the lock without taking it. It is an flock(2) on the layout directory, which must exist.
   *
   * @param pinDirectory - the pin directory
   * @returns the lock. The caller closes it
   * @throws Error (of node:fs) if the directory cannot be opened
   */
  static open(pinDirectory: string): WriterLock {
    return new WriterLock(DirectoryLock.open(pinPaths(pinDirectory).layout));
  }

  /**
   * Runs a function while it holds the lock. If another process does not release the lock within a second, the function
   * runs without it. The function may call this again.
   *
   * @param body - the function; not asynchronous
   * @returns its result
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
        this.#directory.unlock(); // the lock may be that of a directory that was removed
        return false;
      }
      Atomics.wait(sleeper, 0, 0, 1);
    }
    return true;
  }

  /**
   * Whether the open directory is still the one at this path, which other processes lock. After a removal and another
   * start it is not. Then the new one is opened.
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
      // The directory is being removed. The caller tries again.
    }
    return false;
  }

  [Symbol.dispose](): void {
    this.#directory.close();
  }
}
