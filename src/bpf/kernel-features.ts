/**
 * What a kernel may be built without: how it is found out, and which option of the kernel's configuration brings it.
 */
import { accessSync, closeSync, constants } from 'node:fs';
import { release } from 'node:os';

import { Errno, NotSupportedError, type BpfErrorOptions } from '../errors';
import { check, libbpf, systemError, withErrno } from '../native';
import { kernelAtLeast } from './kernel-version';
import { MapType, ProgramType, type MapTypeName, type ProgramTypeName } from './types';

/** A feature, as its absence is told. */
interface KernelFeature {
  /** In the words by which one searches for it. */
  readonly name: string;
  /**
   * Option of the kernel's configuration, see include/linux/bpf_types.h; `undefined` if every kernel has it that has
   * bpf(2).
   */
  readonly option?: string | undefined;
  /** First release that has it; `undefined` if no release without it is of interest. */
  readonly since?: string | undefined;
}

/** Since 5.13 CONFIG_BPF_STREAM_PARSER is about stream parsers alone. */
const SOCKMAP = kernelAtLeast('5.13') ? 'CONFIG_INET' : 'CONFIG_BPF_STREAM_PARSER';

const MAPS: Partial<Record<MapTypeName, KernelFeature>> = {
  sockmap: { name: 'sockmap (BPF_MAP_TYPE_SOCKMAP)', option: SOCKMAP, since: '4.14' },
  sockhash: { name: 'sockmap (BPF_MAP_TYPE_SOCKHASH)', option: SOCKMAP, since: '4.18' },
  sk_storage: { name: 'sk_storage (BPF_MAP_TYPE_SK_STORAGE)', option: 'CONFIG_NET', since: '5.2' },
  lpm_trie: { name: 'LPM trie (BPF_MAP_TYPE_LPM_TRIE)', since: '4.11' },
  ringbuf: { name: 'ring buffer (BPF_MAP_TYPE_RINGBUF)', since: '5.8' },
};

const CGROUP = { name: 'attaching programs to cgroups (BPF_PROG_TYPE_CGROUP_*)', option: 'CONFIG_CGROUP_BPF' } as const;

const PROGRAMS: Partial<Record<ProgramTypeName, KernelFeature>> = {
  cgroup_skb: { ...CGROUP, since: '4.10' },
  cgroup_sock: { ...CGROUP, since: '4.10' },
  cgroup_sock_addr: { ...CGROUP, since: '4.17' },
  cgroup_sockopt: { ...CGROUP, since: '5.3' },
  sock_ops: { name: 'sockops (BPF_PROG_TYPE_SOCK_OPS)', option: 'CONFIG_NET', since: '4.13' },
  sk_msg: { name: 'sk_msg (BPF_PROG_TYPE_SK_MSG)', option: 'CONFIG_NET', since: '4.17' },
};

/** Either the release is too old, or the kernel was built without the option. */
function absent({ name, option, since }: KernelFeature, options: BpfErrorOptions): NotSupportedError {
  return new NotSupportedError(name, {
    ...options,
    ...(since === undefined || kernelAtLeast(since) ? { kernelOption: option } : { minimumKernel: since }),
  });
}

/** Where libbpf looks for the types of the running kernel: btf__load_vmlinux_btf() in its btf.c. */
function btfPaths(kernel = release()): string[] {
  return [
    '/sys/kernel/btf/vmlinux',
    `/boot/vmlinux-${kernel}`,
    `/lib/modules/${kernel}/vmlinux-${kernel}`,
    `/lib/modules/${kernel}/build/vmlinux`,
    `/usr/lib/modules/${kernel}/kernel/vmlinux`,
    `/usr/lib/debug/boot/vmlinux-${kernel}`,
    `/usr/lib/debug/boot/vmlinux-${kernel}.debug`,
    `/usr/lib/debug/lib/modules/${kernel}/vmlinux`,
  ];
}

/** The error for a kernel whose types nobody knows. @internal */
export function btfMissing(options: BpfErrorOptions = {}): NotSupportedError {
  return absent(
    { name: 'BTF, the type information of the kernel,', option: 'CONFIG_DEBUG_INFO_BTF', since: '5.4' },
    {
      hint:
        '/sys/kernel/btf/vmlinux is missing: boot a kernel that has it, as those of Debian 11, Ubuntu 20.10, Fedora 31 and later have; in a container ' +
        'mount sysfs at /sys',
      ...options,
    },
  );
}

/** Throws if the types of the kernel cannot be read, without which no program is fitted to it. @internal */
export function requireBtf(): void {
  const isReadable = (path: string): boolean => {
    try {
      accessSync(path, constants.R_OK);
      return true;
    } catch {
      return false;
    }
  };
  if (!btfPaths().some(isReadable)) throw btfMissing();
}

/** Types that this kernel has: it does not lose them. */
const present = new Set<string>();

/** libbpf makes the smallest map or program of a type, and takes whatever then fails for an absence: EPERM is none. */
function isPresent(operation: 'bpf_map_create' | 'bpf_prog_load', type: string, probe: () => number): boolean {
  const key = `${operation} ${type}`;
  if (present.has(key)) return true;
  const { result, errno } = withErrno(probe);
  if (result === 1) present.add(key);
  else if (errno === Errno.EPERM) throw systemError(errno, { operation, subject: type });
  return result === 1;
}

/**
 * Throws if the kernel lacks a type of map or program. Each is tried.
 *
 * @internal
 * @param types - which ones
 * @param context - what they are needed for
 * @throws NotSupportedError with the feature and the option of the kernel
 * @throws PermissionError or BpfError if nothing can be tried at all
 */
export function requireTypes(
  types: { readonly maps: Iterable<MapTypeName>; readonly programs: Iterable<ProgramTypeName> },
  context: BpfErrorOptions = {},
): void {
  const fail = (feature: KernelFeature): never => {
    requireBpf();
    throw absent(feature, {
      hint: 'boot a kernel that has it, as those of the common distributions do; where a sandbox answers bpf(2) in its place, that lacks it',
      ...context,
    });
  };
  for (const type of types.maps)
    if (!isPresent('bpf_map_create', `${type} map`, () => libbpf.libbpf_probe_bpf_map_type(MapType[type], null)))
      fail(MAPS[type] ?? { name: `BPF_MAP_TYPE_${type.toUpperCase()}` });
  for (const type of types.programs)
    if (
      !isPresent('bpf_prog_load', `${type} program`, () => libbpf.libbpf_probe_bpf_prog_type(ProgramType[type], null))
    )
      fail(PROGRAMS[type] ?? { name: `BPF_PROG_TYPE_${type.toUpperCase()}` });
}

/**
 * BPF_MAP_TYPE_ARRAY is in every kernel that has bpf(2): if not even that can be made, the answer says why. @internal
 */
export function requireBpf(): void {
  // As many as a probe holds at a time, so that its failure for want of a file descriptor is not taken for an absence.
  const fds: number[] = [];
  try {
    for (let count = 0; count < 4; count++)
      fds.push(
        check(libbpf.bpf_map_create(MapType.array, 'probe', 4, 4, 1, null), {
          operation: 'bpf_map_create',
          subject: 'array map "probe"',
        }),
      );
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}
