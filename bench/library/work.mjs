/** What all three do: see child.c. */
export const ENTRIES = 10_000;
export const KEY = 16;
export const VALUE = 8;
export const BATCH = 1024;

export function keyOf(index) {
  const key = Buffer.alloc(KEY);
  key.writeUInt32LE(index, 0);
  return key;
}

/** Nanoseconds that a function takes. */
export function timed(run) {
  const start = process.hrtime.bigint();
  run();
  return Number(process.hrtime.bigint() - start);
}
