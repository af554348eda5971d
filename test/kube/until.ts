import { setTimeout } from 'node:timers/promises';

/** Waits for a condition, and fails with `what` if it does not come true. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, seconds = 30): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await setTimeout(5);
  }
}
