/** Facts about libbpf, this process and this machine that concern no single object. */
import { Errno } from '../errors';
import { check, libbpf, libbpfVersion, missingCapabilities } from '../native';
import type { BpfProgram } from './program';
import { attachTypeNumber } from './types';

export { libbpfVersion, missingCapabilities };

/**
 * Iterates over the ids of all links on this machine. Command: `BPF_LINK_GET_NEXT_ID` of bpf(2). Since Linux 5.8; needs
 * CAP_SYS_ADMIN.
 *
 * @internal
 */
export function* linkIds(): Generator<number, void, undefined> {
  const next = Buffer.alloc(4);
  for (let id = 0; ;) {
    const result = libbpf.bpf_link_get_next_id(id, next);
    if (result === -Errno.ENOENT) return;
    check(result, { operation: 'bpf_link_get_next_id' });
    id = next.readUInt32LE(0);
    yield id;
  }
}

/**
 * Probes whether this kernel supports cgroup links. The probe attaches to an invalid file descriptor: a kernel that
 * supports links answers EBADF, and nothing is attached.
 *
 * @internal
 * @param program - program of a type that attaches to cgroups
 */
export function attachesByLink(program: BpfProgram): boolean {
  const type = attachTypeNumber(program.attachType ?? 'cgroup/connect4');
  return libbpf.bpf_link_create(program.unsafeFd(), -1, type, null) === -Errno.EBADF;
}
