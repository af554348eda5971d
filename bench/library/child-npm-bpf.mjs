/** The map part of the same work on the npm package `bpf`, which loads no object files. Prints one line of JSON. */
import { readFileSync } from 'node:fs';
import bpf from 'bpf';
import { BATCH, ENTRIES, KEY, VALUE, keyOf, timed } from './work.mjs';

const create = () => new bpf.RawMap(bpf.createMap({ type: bpf.MapType.HASH, keySize: KEY, valueSize: VALUE, maxEntries: ENTRIES }));
const keys = Array.from({ length: ENTRIES }, (_, i) => keyOf(i));
const value = Buffer.alloc(VALUE);
const result = {};

const single = create();
result.set = timed(() => { for (const key of keys) single.set(key, value); }) / ENTRIES;
result.get = timed(() => { for (const key of keys) single.get(key); }) / ENTRIES;
result.delete = timed(() => { for (const key of keys) single.delete(key); }) / ENTRIES;
single.ref.close();

const many = create();
const entries = keys.map(key => [key, value]);
result.setMany = timed(() => many.setBatch(entries)) / ENTRIES;
let read = 0;
result.readAll = timed(() => { for (const batch of many.getBatch(BATCH)) read += batch.length; }) / ENTRIES;
if (read !== ENTRIES) throw new Error(`wrote ${ENTRIES} entries, read ${read}`);
many.ref.close();
result.rss = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
console.log(JSON.stringify(result));
