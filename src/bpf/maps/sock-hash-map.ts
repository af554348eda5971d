import { closeSync } from 'node:fs';

import { u32, u64, type Codec } from '../../codec';
import { AlreadyAttachedError, Errno, NotSupportedError } from '../../errors';
import { check, libbpf, mapInfo, systemError } from '../../native';
import { BpfAttachment } from '../attachment';
import { closeOnError, duplicateFd } from '../fd';
import { checkInteger, checkOptions } from '../options';
import type { BpfProgram } from '../program';
import { queryPrograms } from '../query';
import { AttachType } from '../types';
import { DeletableMap } from './hash-map';
import type { SetOptions } from './keyed-map';
import { buildMap, createMap, pinnedMap, requireMap, viewOf, type BpfMap, type MapSource } from './map';

/** Codec of the keys of a socket map. */
export interface SockHashMapCodecs<K> {
  /** Codec of keys; its size has to equal that of the map. */
  key: Codec<K>;
}

/** What a new socket map is like. */
export interface CreateSockHashMapOptions<K> extends SockHashMapCodecs<K> {
  /** Letters, digits, "_" and "."; the kernel keeps the first 15 bytes. */
  name: string;
  /** How many sockets it can hold. */
  maxEntries: number;
}

/** Options of {@link BpfSockHashMap.attachVerdict}. */
export interface AttachVerdictOptions {
  /**
   * Whether to take the place of another program that is attached. Default: false. Sockets that are in the map already
   * keep the program that they were inserted under.
   */
  replace?: boolean | undefined;
}

/** A value is a file descriptor on the way in and a cookie on the way out, in four or eight bytes. */
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
 * A value is a socket. It is stored by the file descriptor of an established TCP connection (programs store theirs by
 * themselves), and read as the socket's cookie, if the values of the map take eight bytes. A socket leaves the map when
 * it is closed.
 *
 * Kernel name: `BPF_MAP_TYPE_SOCKHASH`. Since Linux 4.18; reading since 5.5; storing any established TCP socket from
 * user space since 5.8.
 *
 * @see https://docs.kernel.org/bpf/map_sockmap.html
 *
 * @example
 * ```ts
 * import { BpfSockHashMap, u32 } from 'merbridge/bpf';
 *
 * const sockets = BpfSockHashMap.create({ name: 'sockets', key: u32, maxEntries: 16 });
 * // A socket goes in by its file descriptor, and comes out as its cookie, such as 4711n.
 * export const enrol = (fd: number): bigint | undefined => sockets.set(1, fd).get(1);
 * ```
 */
export class BpfSockHashMap<K> extends DeletableMap<K, bigint> {
  private constructor(source: MapSource, codecs: SockHashMapCodecs<K>, valueSize: number) {
    super(source, { key: codecs.key, value: socketCodec(valueSize) });
    requireMap(this, { types: ['sockhash'], keySize: codecs.key.size });
  }

  /**
   * Creates a map in the kernel with values of eight bytes. The caller closes it.
   *
   * @throws PermissionError `ERR_BPF_PERMISSION` without CAP_BPF and CAP_NET_ADMIN
   */
  static create<K>(options: CreateSockHashMapOptions<K>): BpfSockHashMap<K> {
    checkOptions(options, ['name', 'key', 'maxEntries'], 'create');
    const { name, key, maxEntries } = options;
    return buildMap(
      createMap('sockhash', { name, keySize: key.size, valueSize: 8, maxEntries }),
      source => new BpfSockHashMap(source, options, 8),
    );
  }

  /**
   * A typed view on a map of an object. It is closed with the object.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static from<K>(map: BpfMap, codecs: SockHashMapCodecs<K>): BpfSockHashMap<K> {
    return new BpfSockHashMap(viewOf(map), codecs, map.valueSize);
  }

  /**
   * Opens a map that is pinned. The caller closes it; the pin stays.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when kind or sizes differ
   */
  static fromPin<K>(path: string, codecs: SockHashMapCodecs<K>): BpfSockHashMap<K> {
    return buildMap(pinnedMap(path), source => new BpfSockHashMap(source, codecs, mapInfo(source.fd).valueSize));
  }

  /**
   * Cookie of the socket under a key, `undefined` when there is none.
   *
   * @throws NotSupportedError `ERR_BPF_NOT_SUPPORTED` when the values of the map take four bytes
   */
  override get(key: K): bigint | undefined {
    if (this.valueSize !== 8) {
      throw new NotSupportedError('reading a socket map whose values take 4 bytes', {
        subject: this.label,
        hint: 'declare its values as __u64',
      });
    }
    return super.get(key);
  }

  /** Whether there is a socket under a key. */
  override has(key: K): boolean {
    this.ensureOpen();
    this.keyCodec.encode(key, this.calls.key, 0);
    const result = this.calls.lookup();
    // ENOSPC: there is one, but its cookie does not fit into four bytes.
    if (result === 0 || result === -Errno.ENOSPC) return true;
    if (result === -Errno.ENOENT) return false;
    throw systemError(-result, { operation: 'bpf_map_lookup_elem', subject: this.label });
  }

  /**
   * Stores the socket of a file descriptor.
   *
   * The map does not keep the file descriptor; the socket leaves the map when its last one is closed.
   *
   * @param key - the key
   * @param fd - file descriptor of an established TCP connection
   * @throws BpfError with errnoName `'EOPNOTSUPP'` when it is none, `'EBADF'` when it is no file descriptor
   * @throws MapFullError `ERR_BPF_MAP_FULL` when there is no room
   */
  override set(key: K, fd: number | bigint, options?: SetOptions): this {
    return super.set(key, BigInt(checkInteger(Number(fd), 0, 0x7fff_ffff, 'fd')), options);
  }

  /**
   * Attaches a program that decides about every message sent on a socket of this map. `close()` of the result detaches
   * it; so does nothing else, not even the end of the process, as long as the map exists.
   *
   * Since Linux 4.17; other programs are noticed since 5.18.
   *
   * @param program - of type `'sk_msg'`
   * @param options - `replace` allows to take the place of another program
   * @throws AlreadyAttachedError `ERR_BPF_ALREADY_ATTACHED` when another program is attached
   */
  attachVerdict(program: BpfProgram, options: AttachVerdictOptions = {}): BpfAttachment {
    checkOptions(options, ['replace'], 'attachVerdict');
    if (program.type !== 'sk_msg') {
      throw new TypeError(`program "${program.name}" is of type ${program.type}, sk_msg is needed`);
    }
    const subject = `program "${program.name}" to ${this.label}`;
    if (options.replace !== true) {
      const others = this.verdictPrograms().filter(({ id }) => id !== program.id);
      if (others.length > 0) throw new AlreadyAttachedError(this.label, others, { operation: 'bpf_prog_attach' });
    }
    // File descriptors of its own: the attachment can be closed after the map and after the program.
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
          // ENOENT: another program took its place meanwhile; that one is not ours to detach.
          if (result !== -Errno.ENOENT) check(result, { operation: 'bpf_prog_detach2', subject });
        });
      }),
    );
  }

  /**
   * Puts a program in the place of the one that decides about messages, or attaches the first one. It stays attached
   * for as long as a file descriptor or a pin holds the map, so nothing is returned that could detach it. Sockets that
   * are in the map keep the program that they were inserted under.
   *
   * @param program - of type `'sk_msg'`
   */
  replaceVerdict(program: BpfProgram): void {
    check(libbpf.bpf_prog_attach(program.unsafeFd(), this.unsafeFd(), AttachType.sk_msg, 0), {
      operation: 'bpf_prog_attach',
      subject: `program "${program.name}" to ${this.label}`,
    });
  }

  /** The program that is attached, if the kernel tells: since Linux 5.18. */
  verdictPrograms(): Array<{ id: number; name: string; tag: string }> {
    try {
      return queryPrograms(this.unsafeFd(), AttachType.sk_msg, false, this.label);
    } catch (error) {
      // Older kernels do not answer for socket maps.
      if ((error as { errno?: number }).errno === Errno.EINVAL) return [];
      throw error;
    }
  }
}
