/** What there is to know of libbpf and of this process, apart from any object. */
import { Errno } from '../errors';
import { check, libbpf, libbpfVersion, missingCapabilities } from '../native';
import type { BpfProgram } from './program';
import { attachTypeNumber } from './types';

export { libbpfVersion, missingCapabilities };

/**
 * Ids of all links of this machine, whoever holds them. Since Linux 5.8; needs CAP_SYS_ADMIN.
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
 * Whether this kernel attaches to cgroups by links. It is asked to attach to a file descriptor that is none: a kernel
 * that knows the call misses that, and nothing is attached anywhere.
 *
 * @internal
 * @param program - of a type that attaches to cgroups
 */
export function attachesByLink(program: BpfProgram): boolean {
  const type = attachTypeNumber(program.attachType ?? 'cgroup/connect4');
  return libbpf.bpf_link_create(program.unsafeFd(), -1, type, null) === -Errno.EBADF;
}
