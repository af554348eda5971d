/** What the kernel knows about maps, programs and links: bpf_obj_get_info_by_fd and linux/bpf.h: struct bpf_*_info. */
import { check } from './call';
import { libbpf } from './library';

/** Facts about a map. Sizes in bytes. */
export interface MapInfo {
  readonly type: number;
  readonly id: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Cut by the kernel to 15 bytes. */
  readonly name: string;
}

/** Facts about a program. */
export interface ProgramInfo {
  readonly type: number;
  readonly id: number;
  /** Eight bytes in hexadecimal: a hash over the instructions. */
  readonly tag: string;
  /** Cut by the kernel to 15 bytes. */
  readonly name: string;
  /** Ids of the maps that it uses are not read; only how many there are. */
  readonly mapCount: number;
  /** Nanoseconds in all runs that were counted; 0 before Linux 5.1. */
  readonly runTime: bigint;
  /** How many runs were counted. */
  readonly runCount: bigint;
}

/** Facts about a link. */
export interface LinkInfo {
  readonly type: number;
  readonly id: number;
  readonly programId: number;
  /** Of cgroup links only: inode number of the cgroup. */
  readonly cgroupId: bigint;
  /** Of cgroup links only: number of the attach type. */
  readonly attachType: number;
}

/** enum bpf_link_type: BPF_LINK_TYPE_CGROUP. */
export const LINK_TYPE_CGROUP = 3;

function info(fd: number, subject: string, size: number): Buffer {
  // Larger than any of the structs: the kernel fills in what it has and asks for zeros in the rest.
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

/** Facts about the map behind a file descriptor. Since Linux 4.13. */
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

/** Facts about the program behind a file descriptor. Since Linux 4.13. */
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

/** Facts about the link behind a file descriptor. Since Linux 5.8. */
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
