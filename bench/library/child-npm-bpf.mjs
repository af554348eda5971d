/** The map part of the same work on the npm package `bpf`, which loads no object files. Prints one line of JSON. */
import bpf from 'bpf';
import { BATCH, ENTRIES, KEY, VALUE, mapFigures, resident } from './work.mjs';

const result = mapFigures({
  create: () => new bpf.RawMap(bpf.createMap({ type: bpf.MapType.HASH, keySize: KEY, valueSize: VALUE, maxEntries: ENTRIES })),
  setMany: (map, entries) => map.setBatch(entries),
  countAll: map => {
    let count = 0;
    for (const batch of map.getBatch(BATCH)) count += batch.length;
    return count;
  },
  close: map => map.ref.close(),
});
result.rss = resident();
console.log(JSON.stringify(result));
