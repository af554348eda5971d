/** What does not compile: checked by `npm run typecheck`. */
import { BpfHashMap, BpfLink, BpfObject, OpenBpfObject } from 'merbridge/bpf';
// @ts-expect-error: the bytes of object files are read inside only
import { elfSections } from 'merbridge/bpf';
// @ts-expect-error: classes of BPF are in merbridge/bpf
import { Cgroup } from 'merbridge';

export const made = [
  // @ts-expect-error: made by create(), from() and fromPin()
  new BpfHashMap(),
  // @ts-expect-error: made by attach(), openPin() and fromId()
  new BpfLink(),
  // @ts-expect-error: made by load()
  new BpfObject(),
  // @ts-expect-error: made by open() and openFile()
  new OpenBpfObject(),
  elfSections,
  Cgroup,
];
