import { closeSync } from 'node:fs';

import { MapIncompatibleError, type MapDifference } from '../../errors';
import { check, libbpf, mapInfo, opts } from '../../native';
import { openPin, pinFd, unpinPath } from '../fd';
import { Handle } from '../handle';
import { checkInteger } from '../options';
import { MapType, mapTypeName, type MapTypeName } from '../types';

/** Where a map object gets its file descriptor from. */
export interface MapSource {
  readonly fd: number;
  /** Whether closing the map object closes the file descriptor. */
  readonly owned: boolean;
  /** Full name; the kernel keeps 15 bytes of it. */
  readonly name?: string | undefined;
  readonly parent?: Handle | undefined;
}

/**
 * What all kinds of maps have in common: the facts, and pins.
 *
 * @see bpf(2), BPF_MAP_CREATE
 */
export abstract class BpfMap extends Handle {
  /** Name of the map; cut to 15 bytes when it was opened by id or by pin. */
  readonly name: string;
  /** Kind of the map, such as `'lru_hash'`. */
  readonly type: MapTypeName | `type ${number}`;
  /** Id that is unique on this machine as long as the map exists, as `bpftool map` lists it. */
  readonly id: number;
  /** Size of a key in bytes. */
  readonly keySize: number;
  /** Size of a value in bytes; of per-CPU maps the size of the value of one CPU. */
  readonly valueSize: number;
  /** How many entries it can hold. */
  readonly maxEntries: number;
  /** Flags it was created with, `BPF_F_*` of linux/bpf.h. */
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
   * Keeps the map and its entries when the process ends, under a path.
   *
   * @param path - in a BPF file system, must not exist
   * @throws BpfError with errnoName `'EEXIST'` when something is there, `'EINVAL'` when it is no BPF file system
   */
  pin(path: string): void {
    pinFd(this.unsafeFd(), path, this.label);
  }

  /** Removes a pin of this map; does nothing when it is gone. */
  unpin(path: string): void {
    this.ensureOpen();
    unpinPath(path);
  }

  /**
   * The file descriptor of the map, for functions that this library does not have.
   *
   * It belongs to this object: do not close it, and do not use it after `close()`.
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
 * A map of any kind, as it comes out of an object: the facts without the entries.
 *
 * Hand it to the class of its kind to get at the entries, such as `BpfHashMap.from(object.map('pods'), codecs)`.
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
   * Opens a map by its id. The caller closes it. Since Linux 4.13; needs CAP_SYS_ADMIN.
   *
   * @param id - as `bpftool map` lists it
   */
  static fromId(id: number): BpfMapHandle {
    checkInteger(id, 1, 0xffff_ffff, 'id');
    const fd = check(libbpf.bpf_map_get_fd_by_id(id), { operation: 'bpf_map_get_fd_by_id', subject: `map ${id}` });
    return buildMap({ fd, owned: true }, source => new BpfMapHandle(source));
  }

  /**
   * Opens a map that is pinned. The caller closes it.
   *
   * @param path - in a BPF file system
   */
  static fromPin(path: string): BpfMapHandle {
    return buildMap(pinnedMap(path), source => new BpfMapHandle(source));
  }
}

/** @internal Builds a map object and closes the file descriptor if that fails. */
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

/** @internal The typed view on a map shares its file descriptor and is closed with it. */
export function viewOf(map: BpfMap): MapSource {
  return { fd: map.unsafeFd(), owned: false, name: map.name, parent: map };
}

/** BPF_F_NO_PREALLOC and what else goes into `flags`. */
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
  checkInteger(maxEntries, 1, MAX_U32, 'maxEntries');
  checkInteger(flags, 0, MAX_U32, 'flags');
  const extra = flags === 0 ? null : opts('bpf_map_create_opts', { map_flags: flags });
  const fd = check(libbpf.bpf_map_create(MapType[type], name, keySize, valueSize, maxEntries, extra), {
    operation: 'bpf_map_create',
    subject: `${type} map "${name}"`,
  });
  return { fd, owned: true, name };
}

/**
 * @internal Compares a map with what a class and its codecs need; all differences are told at once.
 */
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
