import { MapCalls, systemError } from '../../native';
import { checkInteger } from '../options';
import { BpfMap, requireMap, viewOf, type MapSource } from './map';

/**
 * An array whose elements are maps, for programs that look one up in another.
 *
 * Kernel name: `BPF_MAP_TYPE_ARRAY_OF_MAPS`. Since Linux 4.12.
 */
export class BpfArrayOfMaps extends BpfMap {
  readonly #calls: MapCalls;

  private constructor(source: MapSource) {
    super(source);
    requireMap(this, { types: ['array_of_maps'], keySize: 4, valueSize: 4 });
    this.#calls = new MapCalls(source.fd, 4, 4);
  }

  /**
   * A view on such a map of an object. It is closed with the object.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when it is of another kind
   */
  static from(map: BpfMap): BpfArrayOfMaps {
    return new BpfArrayOfMaps(viewOf(map));
  }

  /**
   * Puts a map into the array, and returns when every program that was running has ended: none still uses the map that
   * was there before, nor anything else that it looked up. That takes milliseconds (since Linux 5.0,
   * `maybe_wait_bpf_programs` in kernel/bpf/syscall.c).
   *
   * @param index - where
   * @param map - of the kind and sizes that the array was declared with
   * @throws BpfError with errnoName `'EINVAL'` when the map is another kind of map
   */
  set(index: number, map: BpfMap): this {
    this.ensureOpen();
    checkInteger(index, 0, this.maxEntries - 1, 'index');
    this.#calls.key.writeUInt32LE(index, 0);
    this.#calls.value.writeUInt32LE(map.unsafeFd(), 0);
    const result = this.#calls.update(0);
    if (result < 0) throw systemError(-result, { operation: 'bpf_map_update_elem', subject: this.label });
    return this;
  }
}
