import { existsSync } from 'node:fs';
import { PATIENCE_MS, sleepSync } from './shell';
import { patienceFor } from './slowness';

/** Trying again does not help against these. */
const REFUSED: readonly unknown[] = ['EACCES', 'EPERM'];

/**
 * Removes what is at a path: calls `remove` until nothing is there.
 *
 * Several processes may sweep the same killed run at the same time, and what that run started may still be ending. So
 * any step of a removal may fail because another process was quicker, or is about to be. Only what is there decides. An
 * error of `remove` counts when the path still exists after {@link PATIENCE_MS}.
 */
export function removeUntilGone(path: string, remove: () => void): void {
  const end = performance.now() + patienceFor(PATIENCE_MS);
  while (existsSync(path)) {
    let failure: unknown = new Error(`${path} is there again after it was removed`);
    try {
      remove();
    } catch (error) {
      failure = error;
    }
    const isFinal = REFUSED.includes((failure as NodeJS.ErrnoException).code) || performance.now() > end;
    if (!existsSync(path)) return;
    if (isFinal) throw failure;
    sleepSync(2);
  }
}
