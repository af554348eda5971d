/**
 * How much slower than usual the machine is: `MERBRIDGE_TEST_SLOWNESS`, 1 if not set. Only how long the bed waits for
 * something grows with it, so a run where nothing is late takes no longer.
 */
export const SLOWNESS = read('MERBRIDGE_TEST_SLOWNESS', 1);

/** To how many seconds a wait may grow: a test whose wait fails must end before its file is killed, and say why. */
const LONGEST_SECONDS = read('MERBRIDGE_TEST_LONGEST_WAIT', Infinity);

/** How long to wait here for what takes at most `milliseconds` on the usual machine. */
export function patienceFor(milliseconds: number): number {
  return Math.max(milliseconds, Math.min(milliseconds * SLOWNESS, LONGEST_SECONDS * 1000));
}

function read(name: string, usual: number): number {
  const text = process.env[name];
  const value = text === undefined ? usual : Number(text);
  if (!(value >= 1)) throw new Error(`${name} is a number of at least 1, not ${text}`);
  return value;
}
