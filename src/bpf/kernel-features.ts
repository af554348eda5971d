/** Features that a kernel may lack: how to detect them, and which kernel configuration option enables them. */
import { accessSync, closeSync, constants } from 'node:fs';
import { release } from 'node:os';

import { Errno, NotSupportedError, type BpfErrorOptions } from '../errors';
import { check, libbpf, systemError, withErrno, withSignalsBlocked } from '../native';
import { kernelAtLeast } from './kernel-version';
import { MapType, ProgramType, type MapTypeName, type ProgramTypeName } from './types';

/** A kernel feature, as an error message names it. */
interface KernelFeature {
  /** The name to search for. */
  readonly name: string;
  /**
   * Kernel configuration option, see include/linux/bpf_types.h. `undefined` if every kernel with bpf(2) has the
   * feature.
   */
  readonly option?: string | undefined;
  /** First release with the feature. `undefined` if older releases do not matter. */
  readonly since?: string | undefined;
}

/** Since Linux 5.13, CONFIG_BPF_STREAM_PARSER concerns only stream parsers. */
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

/**
 * Builds the error for a missing feature: either the release is too old, or the kernel was built without the option.
 */
function absent({ name, option, since }: KernelFeature, options: BpfErrorOptions): NotSupportedError {
  return new NotSupportedError(name, {
    ...options,
    ...(since === undefined || kernelAtLeast(since) ? { kernelOption: option } : { minimumKernel: since }),
  });
}

/** Paths where libbpf looks for the BTF of the running kernel: btf__load_vmlinux_btf() in its btf.c. */
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

/**
 * Builds the error for a kernel whose BTF is not available.
 *
 * @internal
 */
export function btfMissing(options: BpfErrorOptions = {}): NotSupportedError {
  return absent(
    { name: 'BTF, the type information of the kernel,', option: 'CONFIG_DEBUG_INFO_BTF', since: '5.4' },
    {
      hint:
        '/sys/kernel/btf/vmlinux is missing: boot a kernel with BTF, such as those of Debian 11, Ubuntu 20.10, Fedora 31 and later; in a container ' +
        'mount sysfs at /sys',
      ...options,
    },
  );
}

/**
 * Throws if the BTF of the kernel cannot be read. Programs are relocated against it (CO-RE).
 *
 * @internal
 */
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

/** Types that this kernel was found to have. They are not probed again. */
const present = new Set<string>();

/**
 * libbpf creates the smallest map or program of a type and interprets any failure as a missing type. EPERM is not one.
 */
function isPresent(operation: 'bpf_map_create' | 'bpf_prog_load', type: string, probe: () => number): boolean {
  const key = `${operation} ${type}`;
  if (present.has(key)) return true;
  const { result, errno } = withSignalsBlocked(() => withErrno(probe));
  if (result === 1) present.add(key);
  else if (errno === Errno.EPERM) throw systemError(errno, { operation, subject: type });
  return result === 1;
}

/**
 * Probes types of maps and programs, and throws if the kernel lacks one.
 *
 * @internal
 * @param types - types to probe
 * @param context - what they are needed for
 * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if the kernel lacks a type; the error names the configuration
 * option
 * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities for the probe
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function requireTypes(
  types: { readonly maps: Iterable<MapTypeName>; readonly programs: Iterable<ProgramTypeName> },
  context: BpfErrorOptions = {},
): void {
  const fail = (feature: KernelFeature): never => {
    requireBpf();
    throw absent(feature, {
      hint: 'boot a kernel with this feature, such as those of the common distributions; if a sandbox emulates bpf(2), the sandbox lacks it',
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
 * Creates an array map, which every kernel with bpf(2) supports. If even that fails, the error says why.
 *
 * @internal
 */
export function requireBpf(): void {
  // As many as a probe uses at a time, so that a lack of file descriptors is not mistaken for a missing type.
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
