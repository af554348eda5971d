import { u32 } from '../../codec';
import { IndexedMap, createArray, type ArrayMapCodecs, type CreateArrayMapOptions } from './array-map';
import { buildMap, pinnedMap, requireMap, viewOf, type BpfMap, type MapSource } from './map';
import { perCpu } from './per-cpu';

/**
 * An array of fixed length with one value for each CPU at each index, for instance for counters without contention.
 *
 * A value is an array with one element for each possible CPU, see {@link possibleCpus}.
 *
 * Map type: `BPF_MAP_TYPE_PERCPU_ARRAY`. Since Linux 4.6; batch operations since Linux 5.13.
 *
 * @see https://docs.kernel.org/bpf/map_array.html
 *
 * @example
 * ```ts
 * import { BpfPerCpuArrayMap, u64 } from 'merbridge/bpf';
 *
 * const counters = BpfPerCpuArrayMap.create({ name: 'counters', value: u64, maxEntries: 8 });
 * const total = (counters.get(0) ?? []).reduce((sum, value) => sum + value, 0n);
 * counters.close();
 * ```
 */
export class BpfPerCpuArrayMap<V> extends IndexedMap<readonly V[]> {
  private constructor(source: MapSource, codecs: ArrayMapCodecs<V>) {
    super(source, { key: u32, value: perCpu(codecs.value) });
    requireMap(this, { types: ['percpu_array'], keySize: 4, valueSize: codecs.value.size });
  }

  /**
   * Creates a map in the kernel. It exists until it is closed, unless it is pinned or a program uses it.
   *
   * @param options - name, codecs, number of entries and flags of the map
   * @returns the map. The caller closes it
   * @throws TypeError if the name or an option is invalid
   * @throws RangeError if `maxEntries` or `flags` is out of range
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_BPF
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static create<V>(options: CreateArrayMapOptions<V>): BpfPerCpuArrayMap<V> {
    return buildMap(createArray('percpu_array', options), source => new BpfPerCpuArrayMap(source, options));
  }

  /**
   * Creates a typed view on an existing map.
   *
   * @param map - map of the same type and sizes, usually from a loaded object
   * @param codecs - codecs of the entries
   * @returns the view. It shares the file descriptor of `map` and is closed together with it
   * @throws MapIncompatibleError (`ERR_BPF_MAP_INCOMPATIBLE`) if the type or a size differs
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  static from<V>(map: BpfMap, codecs: ArrayMapCodecs<V>): BpfPerCpuArrayMap<V> {
    return new BpfPerCpuArrayMap(viewOf(map), codecs);
  }

  /**
   * Opens a pinned map.
   *
   * @param path - path of the pin in a BPF file system
   * @param codecs - codecs of the entries
   * @returns the map. The caller closes it; the pin remains
   * @throws MapIncompatibleError (`ERR_BPF_MAP_INCOMPATIBLE`) if the type or a size differs
   * @throws TypeError if the path is not a non-empty string
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the pin cannot be opened; errnoName is `'ENOENT'` if nothing is pinned
   * there, and `'EINVAL'` if the pin is not a map
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if /proc is not mounted
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static fromPin<V>(path: string, codecs: ArrayMapCodecs<V>): BpfPerCpuArrayMap<V> {
    return buildMap(pinnedMap(path), source => new BpfPerCpuArrayMap(source, codecs));
  }
}
