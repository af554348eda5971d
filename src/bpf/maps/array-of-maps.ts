import { MapCalls, systemError } from '../../native';
import { assertInteger } from '../../checks';
import { BpfMap, requireMap, viewOf, type MapSource } from './map';

/**
 * An array whose elements are maps, for programs that look up a map in another map.
 *
 * Map type: `BPF_MAP_TYPE_ARRAY_OF_MAPS`. Since Linux 4.12.
 *
 * @see https://docs.kernel.org/bpf/map_of_maps.html
 *
 * @example
 * ```ts
 * import { BpfArrayOfMaps, BpfHashMap, OpenBpfObject, u32 } from 'merbridge/bpf';
 *
 * using object = OpenBpfObject.openFile('rules.bpf.o').load();
 * using rules = BpfHashMap.create({ name: 'rules', key: u32, value: u32, maxEntries: 64 });
 * BpfArrayOfMaps.from(object.map('rule_sets')).set(0, rules);
 * ```
 */
export class BpfArrayOfMaps extends BpfMap {
  readonly #calls: MapCalls;

  private constructor(source: MapSource) {
    super(source);
    requireMap(this, { types: ['array_of_maps'], keySize: 4, valueSize: 4 });
    this.#calls = new MapCalls(source.fd, 4, 4);
  }

  /**
   * Creates a view on an array of maps.
   *
   * @param map - map of this type, usually from a loaded object
   * @returns the view. It shares the file descriptor of `map` and is closed together with it
   * @throws MapIncompatibleError (`ERR_BPF_MAP_INCOMPATIBLE`) if the map is of another type
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  static from(map: BpfMap): BpfArrayOfMaps {
    return new BpfArrayOfMaps(viewOf(map));
  }

  /**
   * Stores a map in the array, and waits for a grace period: when it returns, every program that was running has ended,
   * so none still uses the previous map or anything that was looked up in it. This takes milliseconds.
   *
   * Since Linux 5.0 (`maybe_wait_bpf_programs` in kernel/bpf/syscall.c).
   *
   * @param index - index from 0
   * @param map - map of the type and sizes that the array was declared with
   * @returns this array
   * @throws RangeError if the index is beyond the end
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; errnoName is `'EINVAL'` if the map is of another
   * type
   * @throws ClosedError (`ERR_BPF_CLOSED`) if a map is closed
   */
  set(index: number, map: BpfMap): this {
    this.ensureOpen();
    assertInteger(index, 0, this.maxEntries - 1, 'index');
    this.#calls.key.writeUInt32LE(index, 0);
    this.#calls.value.writeUInt32LE(map.unsafeFd(), 0);
    const result = this.#calls.update(0);
    if (result < 0) throw systemError(-result, { operation: 'bpf_map_update_elem', subject: this.label });
    return this;
  }
}
