/** What all three do: see child.c. */
import { readFileSync } from 'node:fs';

export const ENTRIES = 10_000;
export const KEY = 16;
export const VALUE = 8;
export const BATCH = 1024;
const ADOPTIONS = 1000;

function keyOf(index) {
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

/**
 * What is done with hash maps: one entry at a time, then many. Nanoseconds for each entry.
 *
 * @param create - makes an empty map with `set`, `get` and `delete`
 * @param setMany - stores pairs of key and value
 * @param countAll - reads all entries in batches, and says how many there were
 * @param close - gives a map back
 */
export function mapFigures({ create, setMany, countAll, close }) {
  const keys = Array.from({ length: ENTRIES }, (_, i) => keyOf(i));
  const value = Buffer.alloc(VALUE);
  const each = run => timed(run) / ENTRIES;
  const figures = {};

  const single = create();
  figures.set = each(() => {
    for (const key of keys) single.set(key, value);
  });
  figures.get = each(() => {
    for (const key of keys) single.get(key);
  });
  figures.delete = each(() => {
    for (const key of keys) single.delete(key);
  });
  close(single);

  const many = create();
  const entries = keys.map(key => [key, value]);
  figures.setMany = each(() => setMany(many, entries));
  let read = 0;
  figures.readAll = each(() => {
    read = countAll(many);
  });
  if (read !== ENTRIES) throw new Error(`wrote ${ENTRIES} entries, read ${read}`);
  close(many);
  return figures;
}

/** Microseconds that it takes to open a pinned map, look at what it is, and give it back. */
export function adoptFigure(adopt) {
  return (
    timed(() => {
      for (let i = 0; i < ADOPTIONS; i++) adopt();
    }) /
    ADOPTIONS /
    1e3
  );
}

/** Resident memory of this process in MiB. */
export function resident() {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
}
