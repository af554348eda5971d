import { setTimeout } from 'node:timers/promises';

import { PATIENCE_MS } from '../bed/shell';
import { patienceFor } from '../bed/slowness';

/** Waits for a condition, and fails with `what` if it does not come true. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const limit = patienceFor(PATIENCE_MS);
  const end = performance.now() + limit;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${limit} ms: ${what}`);
    await setTimeout(5);
  }
}
