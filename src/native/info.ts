/**
 * Reads what the kernel knows about maps, programs and links: `BPF_OBJ_GET_INFO_BY_FD`, struct bpf_*_info of
 * linux/bpf.h.
 */
import { check } from './call';
import { libbpf } from './library';

/** Properties of a map. Sizes are in bytes. */
export interface MapInfo {
  readonly type: number;
  readonly id: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** The kernel keeps 15 bytes of the name. */
  readonly name: string;
}

/** Properties of a program. */
export interface ProgramInfo {
  readonly type: number;
  readonly id: number;
  /** Hash of the instructions: eight bytes in hexadecimal. */
  readonly tag: string;
  /** The kernel keeps 15 bytes of the name. */
  readonly name: string;
  /** Number of maps that it uses. Their ids are not read. */
  readonly mapCount: number;
  /** Total duration of the counted runs in nanoseconds; 0 before Linux 5.1. */
  readonly runTime: bigint;
  /** Number of counted runs. */
  readonly runCount: bigint;
}

/** Properties of a link. */
export interface LinkInfo {
  readonly type: number;
  readonly id: number;
  readonly programId: number;
  /** Inode number of the cgroup. Only for cgroup links. */
  readonly cgroupId: bigint;
  /** Number of the attach type. Only for cgroup links. */
  readonly attachType: number;
}

/** enum bpf_link_type: BPF_LINK_TYPE_CGROUP. */
export const LINK_TYPE_CGROUP = 3;

function info(fd: number, subject: string, size: number): Buffer {
  // Larger than the structs of older kernels. The kernel fills in what it has, and requires zeros in the rest.
  const bytes = Buffer.alloc(size);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(size, 0);
  check(libbpf.bpf_obj_get_info_by_fd(fd, bytes, length), { operation: 'bpf_obj_get_info_by_fd', subject });
  return bytes;
}

function text(bytes: Buffer, offset: number): string {
  const end = bytes.indexOf(0, offset);
  return bytes.toString('latin1', offset, Math.min(end === -1 ? offset + 16 : end, offset + 16));
}

/**
 * Reads the properties of a map. Since Linux 4.13.
 *
 * @param fd - file descriptor of the map
 * @param subject - name of the map, for error messages
 * @returns the properties
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function mapInfo(fd: number, subject = ''): MapInfo {
  const bytes = info(fd, subject, 88);
  return {
    type: bytes.readUInt32LE(0),
    id: bytes.readUInt32LE(4),
    keySize: bytes.readUInt32LE(8),
    valueSize: bytes.readUInt32LE(12),
    maxEntries: bytes.readUInt32LE(16),
    flags: bytes.readUInt32LE(20),
    name: text(bytes, 24),
  };
}

/**
 * Reads the properties of a program. Since Linux 4.13.
 *
 * @param fd - file descriptor of the program
 * @param subject - name of the program, for error messages
 * @returns the properties
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function programInfo(fd: number, subject = ''): ProgramInfo {
  const bytes = info(fd, subject, 232);
  return {
    type: bytes.readUInt32LE(0),
    id: bytes.readUInt32LE(4),
    tag: bytes.toString('hex', 8, 16),
    mapCount: bytes.readUInt32LE(52),
    name: text(bytes, 64),
    runTime: bytes.readBigUInt64LE(192),
    runCount: bytes.readBigUInt64LE(200),
  };
}

/**
 * Reads the properties of a link. Since Linux 5.8.
 *
 * @param fd - file descriptor of the link
 * @param subject - name of the link, for error messages
 * @returns the properties
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function linkInfo(fd: number, subject = ''): LinkInfo {
  const bytes = info(fd, subject, 48);
  return {
    type: bytes.readUInt32LE(0),
    id: bytes.readUInt32LE(4),
    programId: bytes.readUInt32LE(8),
    cgroupId: bytes.readBigUInt64LE(16),
    attachType: bytes.readUInt32LE(24),
  };
}
