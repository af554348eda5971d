/** The same work as child.c on this library. Prints one line of JSON. */
import { readFileSync } from 'node:fs';
import { BpfHashMap, Cgroup, OpenBpfObject, bytes } from 'merbridge';
import { ENTRIES, KEY, VALUE, keyOf, timed } from './work.mjs';

const [objectPath = '', cgroupPath = ''] = process.argv.slice(2);
const create = () => BpfHashMap.create({ name: 'bench', maxEntries: ENTRIES, key: bytes(KEY), value: bytes(VALUE) });
const keys = Array.from({ length: ENTRIES }, (_, i) => keyOf(i));
const value = Buffer.alloc(VALUE);
const result = {};

const single = create();
result.set = timed(() => { for (const key of keys) single.set(key, value); }) / ENTRIES;
result.get = timed(() => { for (const key of keys) single.get(key); }) / ENTRIES;
result.delete = timed(() => { for (const key of keys) single.delete(key); }) / ENTRIES;
single.close();

const many = create();
const entries = keys.map(key => [key, value]);
result.setMany = timed(() => many.setMany(entries)) / ENTRIES;
let read = 0;
result.readAll = timed(() => { for (const [key] of many.entries()) read += key.length / KEY; }) / ENTRIES;
if (read !== ENTRIES) throw new Error(`wrote ${ENTRIES} entries, read ${read}`);
many.close();

let object;
result.load = timed(() => {
  const open = OpenBpfObject.openFile(objectPath);
  open.program('mb_redirect_msg_by_calls').autoload = false;
  object = open.load();
}) / 1e6;
const cgroup = Cgroup.open(cgroupPath);
let link;
result.attach = timed(() => { link = cgroup.attach(object.program('mb_getpeername4')); }) / 1e3;
result.rss = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
link.close();
cgroup.close();
object.close();
console.log(JSON.stringify(result));
