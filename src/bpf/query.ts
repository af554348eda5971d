import { closeSync } from 'node:fs';

import { Errno } from '../errors';
import { check, libbpf, programInfo, uint32Array } from '../native';

/** BPF_F_QUERY_EFFECTIVE: with what is inherited from above. */
const F_QUERY_EFFECTIVE = 1;
/** BPF_CGROUP_MAX_PROGS of the kernel: there cannot be more. */
const MAX_PROGRAMS = 64;

/** A program that is attached somewhere. */
export interface AttachedProgramInfo {
  readonly id: number;
  /** Empty where the process may not know it. */
  readonly name: string;
  /** Empty where the process may not know it. */
  readonly tag: string;
}

/** The programs attached to a cgroup or to a socket map. Since Linux 4.15; names and tags need CAP_SYS_ADMIN. */
export function queryPrograms(
  fd: number,
  attachType: number,
  effective: boolean,
  subject: string,
): AttachedProgramInfo[] {
  const flags = Buffer.alloc(4);
  const count = Buffer.alloc(4);
  // Inherited programs may be more than one cgroup alone can have.
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
  // The kernel asks for CAP_SYS_ADMIN here, for which no other capability stands in. That something is attached is
  // known all the same.
  if (fd === -Errno.EPERM) return [{ id, name: '', tag: '' }];
  check(fd, { operation: 'bpf_prog_get_fd_by_id', subject });
  try {
    const { name, tag } = programInfo(fd, subject);
    return [{ id, name, tag }];
  } finally {
    closeSync(fd);
  }
}
