import { MapIncompatibleError, type MapDifference } from '../errors';
import { check, libbpf } from '../native';
import type { BpfMap } from './maps/map';
import type { NativeObject } from './native-object';
import { assertInteger } from '../checks';
import { mapTypeName, type MapTypeName } from './types';

/** What a part of an open object needs from it. */
export interface OpenObjectAccess {
  /**
   * Returns the `struct bpf_object`.
   *
   * @returns the object. It belongs to the open object
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed or loaded
   */
  native(): NativeObject;
  /**
   * Applies a change to the object now, and again if the object has to be reopened.
   *
   * @param key - identifies the setting. A later change with the same key replaces this one
   * @param change - applies the change to a `struct bpf_object`
   */
  apply(key: string, change: (native: NativeObject) => void): void;
}

/**
 * The declaration of a map in an object that is not loaded yet. The map does not exist in the kernel.
 *
 * It is valid until the object is loaded or closed. Afterwards every access throws a ClosedError (`ERR_BPF_CLOSED`).
 *
 * @example
 * ```ts
 * import { OpenBpfObject } from 'merbridge/bpf';
 *
 * const open = OpenBpfObject.openFile('connect.bpf.o');
 * for (const map of open.maps()) console.log(map.name, map.type, map.maxEntries);
 * open.map('local_pod_ips').maxEntries = 4096;
 * open.close();
 * ```
 */
export class OpenBpfMap {
  /** Name in C. For maps behind global variables: the section, such as `.rodata`. */
  readonly name: string;
  readonly #access: OpenObjectAccess;

  private constructor(name: string, access: OpenObjectAccess) {
    this.name = name;
    this.#access = access;
  }

  /** @internal */
  static make(name: string, access: OpenObjectAccess): OpenBpfMap {
    return new OpenBpfMap(name, access);
  }

  /** Map type, such as `'hash'`. */
  get type(): MapTypeName | `type ${number}` {
    return mapTypeName(libbpf.bpf_map__type(this.#at()));
  }

  /** Size of a key in bytes. */
  get keySize(): number {
    return libbpf.bpf_map__key_size(this.#at());
  }

  /** Size of a value in bytes. */
  get valueSize(): number {
    return libbpf.bpf_map__value_size(this.#at());
  }

  /** Flags that the map will be created with: `BPF_F_*` of linux/bpf.h. */
  get flags(): number {
    return libbpf.bpf_map__map_flags(this.#at());
  }

  /**
   * Number of entries that the map will hold. It can be changed until the object is loaded.
   *
   * @throws RangeError if the new value is not an integer from 1 to 2^32-1
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if libbpf refuses the new value
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  get maxEntries(): number {
    return libbpf.bpf_map__max_entries(this.#at());
  }

  /**
   * Sets the number of entries for the next load.
   *
   * @param value - an integer from 1 to 2^32-1
   */
  set maxEntries(value: number) {
    assertInteger(value, 1, 0xffff_ffff, 'maxEntries');
    this.#access.apply(`maxEntries ${this.name}`, native => {
      check(libbpf.bpf_map__set_max_entries(this.#at(native), value), {
        operation: 'bpf_map__set_max_entries',
        subject: `map "${this.name}"`,
      });
    });
  }

  /**
   * Uses an existing map instead of creating one, for instance of another object or from a pin of an earlier process.
   *
   * @param map - map of the same type, sizes and flags. It must stay open until the object is loaded
   * @throws MapIncompatibleError (`ERR_BPF_MAP_INCOMPATIBLE`) if it differs; the error lists every difference
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if libbpf refuses
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map or the object is closed
   */
  reuse(map: BpfMap): void {
    const differences: MapDifference[] = [];
    const compare = (property: string, expected: number | string, actual: number | string): void => {
      if (expected !== actual) differences.push({ property, expected, actual });
    };
    compare('type', this.type, map.type);
    compare('keySize', this.keySize, map.keySize);
    compare('valueSize', this.valueSize, map.valueSize);
    compare('maxEntries', this.maxEntries, map.maxEntries);
    compare('flags', this.flags, map.flags);
    if (differences.length > 0) throw new MapIncompatibleError(differences, { subject: `map "${this.name}"` });
    this.#access.apply(`reuse ${this.name}`, native => {
      check(libbpf.bpf_map__reuse_fd(this.#at(native), map.unsafeFd()), {
        operation: 'bpf_map__reuse_fd',
        subject: `map "${this.name}"`,
      });
    });
  }

  #at(native: NativeObject = this.#access.native()): number {
    return native.maps.get(this.name) ?? 0;
  }
}
