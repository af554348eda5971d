import { closeSync } from 'node:fs';

import { u32, u64, type Codec } from '../../codec';
import { AlreadyAttachedError, Errno, NotSupportedError } from '../../errors';
import { check, libbpf, mapInfo, systemError } from '../../native';
import { BpfAttachment } from '../attachment';
import { closeOnError, duplicateFd } from '../fd';
import { assertInteger, refuseUnknown } from '../../checks';
import type { BpfProgram } from '../program';
import { queryPrograms } from '../query';
import { AttachType } from '../types';
import { DeletableMap } from './hash-map';
import type { SetOptions } from './keyed-map';
import { buildMap, createMap, pinnedMap, requireMap, viewOf, type BpfMap, type MapSource } from './map';

/** Codec of the keys of a socket map. */
export interface SockHashMapCodecs<K> {
  /** Codec of the keys. Its size must equal the key size of the map. */
  key: Codec<K>;
}

/** Options for a new socket map. */
export interface CreateSockHashMapOptions<K> extends SockHashMapCodecs<K> {
  /** Name of the map: letters, digits, "_" and ".". The kernel keeps the first 15 bytes. */
  name: string;
  /** Number of sockets that the map can hold. */
  maxEntries: number;
}

/** Options of {@link BpfSockHashMap.attachVerdict}. */
export interface AttachVerdictOptions {
  /**
   * Whether to replace another program that is attached. Default: false. Sockets that are already in the map keep the
   * program under which they were inserted.
   */
  replace?: boolean | undefined;
}

/** A value is written as a file descriptor and read as a socket cookie, in four or eight bytes. */
function socketCodec(valueSize: number): Codec<bigint> {
  if (valueSize === 8) return u64;
  return {
    size: 4,
    name: 'socket',
    encode: (value, buf, offset) => u32.encode(Number(value), buf, offset),
    decode: (buf, offset) => BigInt(u32.decode(buf, offset)),
  };
}

/**
 * A hash map of sockets, from which programs redirect data to another socket.
 *
 * User space stores a socket as the file descriptor of an established TCP connection (programs store their own
 * sockets), and reads it as the socket's cookie, if the values of the map have eight bytes. A socket leaves the map
 * when it is closed.
 *
 * Map type: `BPF_MAP_TYPE_SOCKHASH`. Since Linux 4.18; reading since Linux 5.5; storing any established TCP socket from
 * user space since Linux 5.8.
 *
 * @see https://docs.kernel.org/bpf/map_sockmap.html
 *
 * @example
 * ```ts
 * import { BpfSockHashMap, u32 } from 'merbridge/bpf';
 *
 * const sockets = BpfSockHashMap.create({ name: 'sockets', key: u32, maxEntries: 16 });
 * // Stores a socket by its file descriptor, and reads it as its cookie, such as 4711n.
 * export const enrol = (fd: number): bigint | undefined => sockets.set(1, fd).get(1);
 * ```
 */
export class BpfSockHashMap<K> extends DeletableMap<K, bigint> {
  private constructor(source: MapSource, codecs: SockHashMapCodecs<K>, valueSize: number) {
    super(source, { key: codecs.key, value: socketCodec(valueSize) });
    requireMap(this, { types: ['sockhash'], keySize: codecs.key.size });
  }

  /**
   * Creates a map in the kernel with values of eight bytes. It exists until it is closed, unless it is pinned or a
   * program uses it.
   *
   * @param options - name, codec and number of sockets
   * @returns the map. The caller closes it
   * @throws TypeError if the name or an option is invalid
   * @throws RangeError if `maxEntries` is out of range
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_BPF or CAP_NET_ADMIN
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static create<K>(options: CreateSockHashMapOptions<K>): BpfSockHashMap<K> {
    refuseUnknown(options, 'create', { known: ['name', 'key', 'maxEntries'] });
    const { name, key, maxEntries } = options;
    return buildMap(
      createMap('sockhash', { name, keySize: key.size, valueSize: 8, maxEntries }),
      source => new BpfSockHashMap(source, options, 8),
    );
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
  static from<K>(map: BpfMap, codecs: SockHashMapCodecs<K>): BpfSockHashMap<K> {
    return new BpfSockHashMap(viewOf(map), codecs, map.valueSize);
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
  static fromPin<K>(path: string, codecs: SockHashMapCodecs<K>): BpfSockHashMap<K> {
    return buildMap(pinnedMap(path), source => new BpfSockHashMap(source, codecs, mapInfo(source.fd).valueSize));
  }

  /**
   * Returns the cookie of the socket under a key.
   *
   * @param key - key of the entry
   * @returns the cookie, or `undefined` if the key does not exist
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if the values of the map have four bytes
   * @throws TypeError or RangeError if the codec cannot encode the key
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  override get(key: K): bigint | undefined {
    if (this.valueSize !== 8) {
      throw new NotSupportedError('reading a socket map whose values have 4 bytes', {
        subject: this.label,
        hint: 'declare its values as __u64',
      });
    }
    return super.get(key);
  }

  /**
   * Tests whether there is a socket under a key.
   *
   * @param key - key of the entry
   * @returns whether there is one
   * @throws TypeError or RangeError if the codec cannot encode the key
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  override has(key: K): boolean {
    this.ensureOpen();
    this.keyCodec.encode(key, this.calls.key, 0);
    const result = this.calls.lookup();
    // ENOSPC: there is a socket, but its cookie does not fit into four bytes.
    if (result === 0 || result === -Errno.ENOSPC) return true;
    if (result === -Errno.ENOENT) return false;
    throw systemError(-result, { operation: 'bpf_map_lookup_elem', subject: this.label });
  }

  /**
   * Stores the socket of a file descriptor.
   *
   * The map does not keep the file descriptor open: the socket leaves the map when its last descriptor is closed.
   *
   * @param key - key of the entry
   * @param fd - file descriptor of an established TCP connection. The caller keeps and closes it
   * @param options - `mode` restricts the call to new or to existing keys
   * @returns this map
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; errnoName is `'EOPNOTSUPP'` if it is not such a
   * connection, and `'EBADF'` if it is not a file descriptor
   * @throws MapFullError (`ERR_BPF_MAP_FULL`) if the map has no room
   * @throws RangeError if `fd` is not an integer from 0 to 2^31-1
   * @throws TypeError or RangeError if the codec cannot encode the key
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  override set(key: K, fd: number | bigint, options?: SetOptions): this {
    const number = Number(fd);
    assertInteger(number, 0, 0x7fff_ffff, 'fd');
    return super.set(key, BigInt(number), options);
  }

  /**
   * Attaches a program that decides about every message sent on a socket of this map. It stays attached until the
   * returned attachment is closed or the map ceases to exist. The end of the process does not detach it.
   *
   * Command: `BPF_PROG_ATTACH` of bpf(2). Since Linux 4.17; other programs are detected since Linux 5.18.
   *
   * @param program - program of type `'sk_msg'`
   * @param options - `replace` permits replacing another program
   * @returns the attachment. The caller closes it, which detaches the program
   * @throws AlreadyAttachedError (`ERR_BPF_ALREADY_ATTACHED`) if another program is attached
   * @throws TypeError if the program is of another type, or an option is unknown
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_NET_ADMIN
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map or the program is closed
   */
  attachVerdict(program: BpfProgram, options: AttachVerdictOptions = {}): BpfAttachment {
    refuseUnknown(options, 'attachVerdict', { known: ['replace'] });
    if (program.type !== 'sk_msg') {
      throw new TypeError(`program "${program.name}" is of type ${program.type}, sk_msg is needed`);
    }
    const subject = `program "${program.name}" to ${this.label}`;
    if (options.replace !== true) {
      const others = this.verdictPrograms().filter(({ id }) => id !== program.id);
      if (others.length > 0) throw new AlreadyAttachedError(this.label, others, { operation: 'bpf_prog_attach' });
    }
    // The attachment has file descriptors of its own, so it can be closed after the map and the program.
    return closeOnError(duplicateFd(this.unsafeFd(), subject), mapFd =>
      closeOnError(duplicateFd(program.unsafeFd(), subject), programFd => {
        check(libbpf.bpf_prog_attach(programFd, mapFd, AttachType.sk_msg, 0), {
          operation: 'bpf_prog_attach',
          subject,
        });
        return BpfAttachment.make(`attachment of ${subject}`, () => {
          const result = libbpf.bpf_prog_detach2(programFd, mapFd, AttachType.sk_msg);
          closeSync(programFd);
          closeSync(mapFd);
          // ENOENT: another program replaced it meanwhile. That one is not ours to detach.
          if (result !== -Errno.ENOENT) check(result, { operation: 'bpf_prog_detach2', subject });
        });
      }),
    );
  }

  /**
   * Attaches a program that decides about messages, or replaces the attached one. It stays attached while a file
   * descriptor or a pin refers to the map; there is nothing to close. Sockets that are already in the map keep the
   * program under which they were inserted.
   *
   * @param program - program of type `'sk_msg'`
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_NET_ADMIN
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map or the program is closed
   */
  replaceVerdict(program: BpfProgram): void {
    check(libbpf.bpf_prog_attach(program.unsafeFd(), this.unsafeFd(), AttachType.sk_msg, 0), {
      operation: 'bpf_prog_attach',
      subject: `program "${program.name}" to ${this.label}`,
    });
  }

  /**
   * Lists the attached program.
   *
   * Command: `BPF_PROG_QUERY` of bpf(2) for socket maps. Since Linux 5.18.
   *
   * @returns id, name and tag of the program. Empty if none is attached, or before Linux 5.18
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_NET_ADMIN
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  verdictPrograms(): Array<{ id: number; name: string; tag: string }> {
    try {
      return queryPrograms(this.unsafeFd(), AttachType.sk_msg, false, this.label);
    } catch (error) {
      // Older kernels do not support the query for socket maps.
      if ((error as { errno?: number }).errno === Errno.EINVAL) return [];
      throw error;
    }
  }
}
