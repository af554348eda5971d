import { MapFullError, Errno } from '../../errors';
import { MapCalls, systemError } from '../../native';
import { readEntries, updateEntries, type BatchMap } from './batch';
import type { BpfMap } from './map';
import { possibleCpus } from './per-cpu';

/** Map types whose entries user space can read and write as plain bytes. */
const COPYABLE: readonly string[] = [
  'hash',
  'lru_hash',
  'lpm_trie',
  'array',
  'percpu_array',
  'percpu_hash',
  'lru_percpu_hash',
];

/** Number of CPUs that a value has, and bytes of each of them as the kernel copies them. */
function valueLayout(map: BpfMap): { cpus: number; stride: number } {
  if (!map.type.includes('percpu')) return { cpus: 1, stride: map.valueSize };
  return { cpus: possibleCpus(), stride: Math.ceil(map.valueSize / 8) * 8 };
}

function access(map: BpfMap): BatchMap {
  const { cpus, stride } = valueLayout(map);
  const fd = map.unsafeFd();
  const valueBytes = cpus * stride;
  const { label, keySize, maxEntries } = map;
  return { fd, label, keySize, valueBytes, maxEntries, calls: new MapCalls(fd, keySize, valueBytes) };
}

/**
 * Copies the entries of a map to a map of the same type whose values are longer or shorter at the end. It copies the
 * common part of each value and sets the rest to zero. Array elements beyond the end of the shorter map are left out.
 *
 * @param from - map to read
 * @param to - map to write; a new map
 * @returns number of copied entries, or `undefined` if the maps cannot be copied: their types or key sizes differ, or
 * their values are not plain bytes (sockets, other maps)
 * @throws MapFullError (`ERR_BPF_MAP_FULL`) if a hash map has no room for the entries
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function copyEntries(from: BpfMap, to: BpfMap): number | undefined {
  if (from.type !== to.type || from.keySize !== to.keySize || !COPYABLE.includes(from.type)) return undefined;
  const [source, target] = [access(from), access(to)];
  const [{ cpus, stride: fromStride }, { stride: toStride }] = [valueLayout(from), valueLayout(to)];
  const common = Math.min(from.valueSize, to.valueSize);
  const isArray = from.type.endsWith('array');
  let copied = 0;
  for (const { keys, values, count } of readEntries(source, 1024)) {
    const fitting = isArray ? Math.max(0, Math.min(count, to.maxEntries - copied)) : count;
    const grown = Buffer.alloc(fitting * target.valueBytes);
    for (let entry = 0; entry < fitting; entry++)
      for (let cpu = 0; cpu < cpus; cpu++) {
        const at = entry * source.valueBytes + cpu * fromStride;
        values.copy(grown, entry * target.valueBytes + cpu * toStride, at, at + common);
      }
    const { done, errno } = updateEntries(target, keys, grown, fitting, 0);
    copied += done;
    if (errno === Errno.E2BIG || errno === Errno.ENOSPC)
      throw new MapFullError(to.name, to.maxEntries, copied, { errno, operation: 'bpf_map_update_batch' });
    if (errno !== 0) throw systemError(errno, { operation: 'bpf_map_update_batch', subject: to.label });
  }
  return copied;
}
