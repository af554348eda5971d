import { closeSync } from 'node:fs';

import { MapIncompatibleError, type MapDifference } from '../../errors';
import { check, libbpf, mapInfo, opts } from '../../native';
import { openPin, pinFd, unpinPath } from '../fd';
import { Handle } from '../handle';
import { assertInteger } from '../../checks';
import { MapType, mapTypeName, type MapTypeName } from '../types';

/** Where a map object gets its file descriptor from. */
export interface MapSource {
  readonly fd: number;
  /** Whether closing the map object closes the file descriptor. */
  readonly owned: boolean;
  /** Full name. The kernel keeps 15 bytes of it. */
  readonly name?: string | undefined;
  readonly parent?: Handle | undefined;
}

/**
 * Base class of all maps: their properties and pins.
 *
 * Command: `BPF_MAP_CREATE` of bpf(2).
 *
 * @see bpf(2)
 *
 * @example
 * ```ts
 * import type { BpfMap } from 'merbridge/bpf';
 *
 * function describe(map: BpfMap): string {
 *   return `${map.name} (id ${map.id}): ${map.type} with ${map.maxEntries} entries of ${map.valueSize} bytes`;
 * }
 * ```
 */
export abstract class BpfMap extends Handle {
  /** Name of the map. The kernel keeps 15 bytes of it, so a map that was opened by id or by pin has a shorter name. */
  readonly name: string;
  /** Map type, such as `'lru_hash'`. */
  readonly type: MapTypeName | `type ${number}`;
  /** Id as `bpftool map` lists it. It is unique on this machine while the map exists. */
  readonly id: number;
  /** Size of a key in bytes. */
  readonly keySize: number;
  /** Size of a value in bytes. For per-CPU maps: the size of the value of one CPU. */
  readonly valueSize: number;
  /** Number of entries that the map can hold. For ring buffers: the size in bytes. */
  readonly maxEntries: number;
  /** Flags that the map was created with: `BPF_F_*` of linux/bpf.h. */
  readonly flags: number;
  readonly #fd: number;
  readonly #owned: boolean;

  protected constructor(source: MapSource) {
    const info = mapInfo(source.fd, source.name);
    const name = source.name ?? info.name;
    super(`map "${name}"`, { parent: source.parent, tracked: source.owned });
    this.name = name;
    this.type = mapTypeName(info.type);
    this.id = info.id;
    this.keySize = info.keySize;
    this.valueSize = info.valueSize;
    this.maxEntries = info.maxEntries;
    this.flags = info.flags;
    this.#fd = source.fd;
    this.#owned = source.owned;
  }

  /**
   * Pins the map to a path, so that it and its entries outlive the process.
   *
   * Command: `BPF_OBJ_PIN` of bpf(2). Since Linux 4.4.
   *
   * @param path - path of the pin in a BPF file system. It must not exist
   * @throws TypeError if the path is not a non-empty string
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if it cannot be pinned; errnoName is `'EEXIST'` if the path exists, and
   * `'EINVAL'` if it is not in a BPF file system
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  pin(path: string): void {
    pinFd(this.unsafeFd(), path, this.label);
  }

  /**
   * Removes a pin of this map. Does nothing if the pin does not exist.
   *
   * @param path - path of the pin
   * @throws TypeError if the path is not a non-empty string
   * @throws Error (of node:fs) if the pin cannot be removed
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  unpin(path: string): void {
    this.ensureOpen();
    unpinPath(path);
  }

  /**
   * Returns the file descriptor of the map, for system calls that this library does not offer.
   *
   * @returns the file descriptor. It belongs to this object: do not close it, and do not use it after `close()`
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  unsafeFd(): number {
    this.ensureOpen();
    return this.#fd;
  }

  /** @internal */
  protected override release(): void {
    if (this.#owned) closeSync(this.#fd);
  }
}

/**
 * A map of any type, without access to its entries.
 *
 * To access the entries, pass it to the class of its type, such as `BpfHashMap.from(object.map('pods'), codecs)`.
 *
 * @example
 * ```ts
 * import { BpfHashMap, BpfMapHandle, u32 } from 'merbridge/bpf';
 *
 * using map = BpfMapHandle.fromPin('/sys/fs/bpf/pods');
 * if (map.type === 'hash') console.log(BpfHashMap.from(map, { key: u32, value: u32 }).count());
 * ```
 */
export class BpfMapHandle extends BpfMap {
  private constructor(source: MapSource) {
    super(source);
  }

  /** @internal */
  static make(source: MapSource): BpfMapHandle {
    return new BpfMapHandle(source);
  }

  /**
   * Opens an existing map by its id.
   *
   * Command: `BPF_MAP_GET_FD_BY_ID` of bpf(2). Since Linux 4.13; needs CAP_SYS_ADMIN.
   *
   * @param id - id as `bpftool map` lists it
   * @returns the map. The caller closes it
   * @throws TypeError if `id` is not a number
   * @throws RangeError if `id` is not an integer from 1 to 2^32-1
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; errnoName is `'ENOENT'` if there is no such map
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_SYS_ADMIN
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static fromId(id: number): BpfMapHandle {
    assertInteger(id, 1, 0xffff_ffff, 'id');
    const fd = check(libbpf.bpf_map_get_fd_by_id(id), { operation: 'bpf_map_get_fd_by_id', subject: `map ${id}` });
    return buildMap({ fd, owned: true }, source => new BpfMapHandle(source));
  }

  /**
   * Opens a pinned map.
   *
   * Command: `BPF_OBJ_GET` of bpf(2). Since Linux 4.4.
   *
   * @param path - path of the pin in a BPF file system
   * @returns the map. The caller closes it; the pin remains
   * @throws TypeError if the path is not a non-empty string
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the pin cannot be opened; errnoName is `'ENOENT'` if nothing is pinned
   * there, and `'EINVAL'` if the pin is not a map
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if /proc is not mounted
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static fromPin(path: string): BpfMapHandle {
    return buildMap(pinnedMap(path), source => new BpfMapHandle(source));
  }
}

/** @internal Creates a map object, and closes the file descriptor if that fails. */
export function buildMap<T>(source: MapSource, build: (source: MapSource) => T): T {
  try {
    return build(source);
  } catch (error) {
    if (source.owned) closeSync(source.fd);
    throw error;
  }
}

/** @internal */
export function pinnedMap(path: string): MapSource {
  return { fd: openPin(path, 'map'), owned: true };
}

/** @internal The source of a typed view. The view shares the file descriptor of the map and is closed with it. */
export function viewOf(map: BpfMap): MapSource {
  return { fd: map.unsafeFd(), owned: false, name: map.name, parent: map };
}

/** Maximum of `maxEntries` and `flags`. */
const MAX_U32 = 0xffff_ffff;

/** @internal Creates a map in the kernel. */
export function createMap(
  type: MapTypeName,
  spec: { name: string; keySize: number; valueSize: number; maxEntries: number; flags?: number | undefined },
): MapSource {
  const { name, keySize, valueSize, maxEntries, flags = 0 } = spec;
  if (typeof name !== 'string' || !/^[A-Za-z0-9_.]{1,63}$/.test(name)) {
    throw new TypeError(`name: letters, digits, "_" and "." are allowed, got ${JSON.stringify(name)}`);
  }
  assertInteger(maxEntries, 1, MAX_U32, 'maxEntries');
  assertInteger(flags, 0, MAX_U32, 'flags');
  const extra = flags === 0 ? null : opts('bpf_map_create_opts', { map_flags: flags });
  const fd = check(libbpf.bpf_map_create(MapType[type], name, keySize, valueSize, maxEntries, extra), {
    operation: 'bpf_map_create',
    subject: `${type} map "${name}"`,
  });
  return { fd, owned: true, name };
}

/** @internal Compares a map with what a class and its codecs expect. The error lists all differences. */
export function requireMap(
  map: BpfMap,
  expected: { types: readonly MapTypeName[]; keySize?: number; valueSize?: number },
  hint?: string,
): void {
  const differences: MapDifference[] = [];
  if (!(expected.types as readonly string[]).includes(map.type)) {
    differences.push({ property: 'type', expected: expected.types.join(' or '), actual: map.type });
  }
  if (expected.keySize !== undefined && expected.keySize !== map.keySize) {
    differences.push({ property: 'keySize', expected: expected.keySize, actual: map.keySize });
  }
  if (expected.valueSize !== undefined && expected.valueSize !== map.valueSize) {
    differences.push({ property: 'valueSize', expected: expected.valueSize, actual: map.valueSize });
  }
  if (differences.length === 0) return;
  map.abandon();
  throw new MapIncompatibleError(differences, { subject: map.label, hint });
}
