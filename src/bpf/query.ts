import { closeSync } from 'node:fs';

import { Errno } from '../errors';
import { check, libbpf, programInfo, uint32Array } from '../native';

/** BPF_F_QUERY_EFFECTIVE: include programs that are inherited from ancestors. */
const F_QUERY_EFFECTIVE = 1;
/** BPF_CGROUP_MAX_PROGS of the kernel: the limit for one cgroup. */
const MAX_PROGRAMS = 64;

/** An attached program. */
export interface AttachedProgramInfo {
  readonly id: number;
  /** Empty if the process lacks the permission to read it. */
  readonly name: string;
  /** Empty if the process lacks the permission to read it. */
  readonly tag: string;
}

/**
 * Lists the programs that are attached to a cgroup or a socket map. Names and tags need CAP_SYS_ADMIN.
 *
 * Command: `BPF_PROG_QUERY` of bpf(2). Since Linux 4.15.
 *
 * @param fd - file descriptor of the cgroup or the map
 * @param attachType - number of the hook, `enum bpf_attach_type`
 * @param effective - whether to include programs that are inherited from ancestors
 * @param subject - name of the cgroup or the map, for error messages
 * @returns the programs
 * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_NET_ADMIN
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function queryPrograms(
  fd: number,
  attachType: number,
  effective: boolean,
  subject: string,
): AttachedProgramInfo[] {
  const flags = Buffer.alloc(4);
  const count = Buffer.alloc(4);
  // With inherited programs there may be more than one cgroup alone can have.
  for (let room = MAX_PROGRAMS; ; room *= 4) {
    const ids = uint32Array(room);
    count.writeUInt32LE(room, 0);
    const result = libbpf.bpf_prog_query(fd, attachType, effective ? F_QUERY_EFFECTIVE : 0, flags, ids.buffer, count);
    if (result === -Errno.ENOSPC && room < 65_536) continue;
    check(result, { operation: 'bpf_prog_query', subject });
    return ids.take(count.readUInt32LE(0)).flatMap(id => describe(id, subject));
  }
}

function describe(id: number, subject: string): AttachedProgramInfo[] {
  const fd = libbpf.bpf_prog_get_fd_by_id(id);
  // It may have been detached and unloaded between the two calls.
  if (fd === -Errno.ENOENT) return [];
  // The kernel requires CAP_SYS_ADMIN here, and no other capability replaces it. The id is known anyway.
  if (fd === -Errno.EPERM) return [{ id, name: '', tag: '' }];
  check(fd, { operation: 'bpf_prog_get_fd_by_id', subject });
  try {
    const { name, tag } = programInfo(fd, subject);
    return [{ id, name, tag }];
  } finally {
    closeSync(fd);
  }
}
