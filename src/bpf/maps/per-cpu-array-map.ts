import { u32 } from '../../codec';
import { IndexedMap, createArray, type ArrayMapCodecs, type CreateArrayMapOptions } from './array-map';
import { buildMap, pinnedMap, requireMap, viewOf, type BpfMap, type MapSource } from './map';
import { perCpu } from './per-cpu';

/**
 * An array of fixed length with one value per CPU for each index: counters that no two CPUs fight over.
 *
 * A value is an array with one element for each possible CPU, see {@link possibleCpus}.
 *
 * Kernel name: `BPF_MAP_TYPE_PERCPU_ARRAY`. Since Linux 4.6; with batches since 5.13.
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
   * Creates a map in the kernel. The caller closes it; it ends then, unless it is pinned or a program uses it.
   *
   * @throws PermissionError `ERR_BPF_PERMISSION` without CAP_BPF
   */
  static create<V>(options: CreateArrayMapOptions<V>): BpfPerCpuArrayMap<V> {
    return buildMap(createArray('percpu_array', options), source => new BpfPerCpuArrayMap(source, options));
  }

  /**
   * A typed view on a map of an object. It is closed with the object.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static from<V>(map: BpfMap, codecs: ArrayMapCodecs<V>): BpfPerCpuArrayMap<V> {
    return new BpfPerCpuArrayMap(viewOf(map), codecs);
  }

  /**
   * Opens a map that is pinned. The caller closes it; the pin stays.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static fromPin<V>(path: string, codecs: ArrayMapCodecs<V>): BpfPerCpuArrayMap<V> {
    return buildMap(pinnedMap(path), source => new BpfPerCpuArrayMap(source, codecs));
  }
}
