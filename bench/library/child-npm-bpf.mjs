/** The map part of the same work on the npm package `bpf`, which loads no object files. Prints one line of JSON. */
import bpf from 'bpf';
import { BATCH, ENTRIES, KEY, VALUE, adoptFigure, mapFigures, resident } from './work.mjs';

const pin = process.argv[4] ?? '';
const result = mapFigures({
  create: () =>
    new bpf.RawMap(bpf.createMap({ type: bpf.MapType.HASH, keySize: KEY, valueSize: VALUE, maxEntries: ENTRIES })),
  setMany: (map, entries) => map.setBatch(entries),
  countAll: map => {
    let count = 0;
    for (const batch of map.getBatch(BATCH)) count += batch.length;
    return count;
  },
  close: map => map.ref.close(),
});
result.adopt = adoptFigure(() => {
  const map = bpf.createMapRef(bpf.objGet(pin), { transfer: true });
  if (map.keySize !== KEY || map.valueSize !== VALUE) throw new Error('another map');
  map.close();
});
result.rss = resident();
console.log(JSON.stringify(result));
