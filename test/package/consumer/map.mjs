// Creates a map in the kernel through the bundled native packages. Needs root.
import { BpfError } from 'merbridge';
import { BpfHashMap, u32, u64 } from 'merbridge/bpf';

const map = BpfHashMap.create({ name: 'package_check', key: u32, value: u64, maxEntries: 4 });
try {
  map.set(7, 2n ** 63n + 1n);
  const value = map.get(7);
  if (value !== 2n ** 63n + 1n) throw new Error(`map: read ${value}`);
  if (map.get(8) !== undefined) throw new Error('map: an absent key has a value');
  try {
    map.pin('/nowhere/package_check');
    throw new Error('map: pinned outside of a BPF file system');
  } catch (error) {
    if (!(error instanceof BpfError)) throw error; // the entries share their modules
  }
} finally {
  map.close();
}
