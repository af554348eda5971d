/**
 * How much slower than usual the machine is: `MERBRIDGE_TEST_SLOWNESS`, 1 if not set. An emulated machine is 20 to 30
 * times slower. Only how long the bed waits for something grows with it, so a run where nothing is late takes no
 * longer.
 */
export const SLOWNESS = read(process.env.MERBRIDGE_TEST_SLOWNESS);

function read(text = '1'): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 1)
    throw new Error(`MERBRIDGE_TEST_SLOWNESS is a number of at least 1, not ${text}`);
  return value;
}
