import { MapIncompatibleError, type MapDifference } from '../errors';
import { check, libbpf } from '../native';
import type { BpfMap } from './maps/map';
import type { NativeObject } from './native-object';
import { checkInteger } from './options';
import { mapTypeName, type MapTypeName } from './types';

/** What a part of an open object asks of it. */
export interface OpenObjectAccess {
  /** The object of libbpf; throws when it is closed or loaded. */
  native(): NativeObject;
  /** Does something to the object now, and again whenever it has to be opened anew. */
  apply(key: string, change: (native: NativeObject) => void): void;
}

/**
 * The declaration of a map in an object that is not loaded yet: no such map exists in the kernel.
 *
 * Valid until the object is loaded or closed.
 */
export class OpenBpfMap {
  /** Name in C; of maps behind global variables the section, such as `.rodata`. */
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

  /** Kind of the map, such as `'hash'`. */
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

  /** Flags that it will be created with, `BPF_F_*` of linux/bpf.h. */
  get flags(): number {
    return libbpf.bpf_map__map_flags(this.#at());
  }

  /** How many entries it will hold. May be set until the object is loaded. */
  get maxEntries(): number {
    return libbpf.bpf_map__max_entries(this.#at());
  }

  /** Sets it for the coming load; throws `ERR_BPF_CLOSED` after that. */
  set maxEntries(value: number) {
    checkInteger(value, 1, 0xffff_ffff, 'maxEntries');
    this.#access.apply(`maxEntries ${this.name}`, native => {
      check(libbpf.bpf_map__set_max_entries(this.#at(native), value), {
        operation: 'bpf_map__set_max_entries',
        subject: `map "${this.name}"`,
      });
    });
  }

  /**
   * Takes a map that exists instead of creating one: what another object made, or an earlier process pinned.
   *
   * @param map - has to be of the same kind and sizes, and has to stay open until the object is loaded
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` with every difference
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
