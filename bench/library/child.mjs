/** The same work as child.c on this library. Prints one line of JSON. */
import { BpfHashMap, Cgroup, OpenBpfObject, bytes } from 'merbridge/bpf';
import { ENTRIES, KEY, VALUE, adoptFigure, mapFigures, resident, timed } from './work.mjs';

const [objectPath = '', cgroupPath = '', pin = ''] = process.argv.slice(2);
const codecs = { key: bytes(KEY), value: bytes(VALUE) };
const result = mapFigures({
  create: () => BpfHashMap.create({ name: 'bench', maxEntries: ENTRIES, ...codecs }),
  setMany: (map, entries) => map.setMany(entries),
  countAll: map => {
    let count = 0;
    for (const [key] of map.entries()) count += key.length / KEY;
    return count;
  },
  close: map => map.close(),
});

result.adopt = adoptFigure(() => BpfHashMap.fromPin(pin, codecs).close());

let object;
result.load =
  timed(() => {
    const open = OpenBpfObject.openFile(objectPath);
    open.program('mb_redirect_msg_by_calls').autoload = false;
    object = open.load();
  }) / 1e6;
const cgroup = Cgroup.open(cgroupPath);
let link;
result.attach =
  timed(() => {
    link = cgroup.attach(object.program('mb_getpeername4'));
  }) / 1e3;
result.rss = resident();
link.close();
cgroup.close();
object.close();
console.log(JSON.stringify(result));
