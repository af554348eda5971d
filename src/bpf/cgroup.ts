import { closeSync, constants, fstatSync, mkdirSync, openSync, readFileSync, rmdirSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

import { AlreadyAttachedError, Errno, exhausted, NotACgroupError, NotSupportedError } from '../errors';
import { libbpf, systemError } from '../native';
import { closeOnError } from './fd';
import { Handle } from './handle';
import { kernelAtLeast } from './kernel-version';
import { BpfLink } from './link';
import { refuseUnknown } from '../checks';
import type { BpfProgram } from './program';
import { queryPrograms } from './query';
import { attachTypeNumber, type AttachTypeName } from './types';

/** CGROUP2_SUPER_MAGIC of linux/magic.h. */
const CGROUP2_MAGIC = 0x63677270;

/** Options of {@link Cgroup.attach}. */
export interface CgroupAttachOptions {
  /**
   * The hook to attach to. Default: the hook that the ELF section of the program names. Required for programs that were
   * opened by id or by pin.
   */
  attachType?: AttachTypeName | undefined;
}

/** Options of {@link Cgroup.programs}. */
export interface CgroupProgramsOptions {
  /** The hook to ask about. */
  attachType: AttachTypeName;
  /** Whether to include programs that are inherited from ancestors, in the order in which they run. Default: false. */
  effective?: boolean | undefined;
}

/** A program that is attached to a cgroup. */
export interface CgroupProgram {
  /** Id as `bpftool prog` lists it. */
  readonly id: number;
  /** Name of the program. The kernel keeps 15 bytes of it. Empty without CAP_SYS_ADMIN. */
  readonly name: string;
  /** Hash of its instructions. Empty without CAP_SYS_ADMIN. */
  readonly tag: string;
}

/**
 * A cgroup of version 2, to which programs are attached. They run for the sockets of all processes in the cgroup and in
 * its descendants.
 *
 * Closing this object does not detach anything. Closing the links does.
 *
 * @see cgroups(7), https://docs.kernel.org/bpf/prog_cgroup_sockopt.html
 *
 * @example
 * ```ts
 * import { Cgroup, OpenBpfObject } from 'merbridge/bpf';
 *
 * const object = OpenBpfObject.openFile('connect.bpf.o').load();
 * const cgroup = Cgroup.open(`${Cgroup.mountPoint()}/kubepods`);
 * const link = cgroup.attach(object.program('connect4'));
 * console.log(cgroup.programs({ attachType: 'cgroup/connect4' }));
 * link.close();
 * cgroup.close();
 * object.close();
 * ```
 */
export class Cgroup extends Handle {
  /** Path that it was opened with. */
  readonly path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    super(`cgroup ${path}`);
    this.path = path;
    this.#fd = fd;
  }

  /**
   * Inode number of its directory, which also identifies it in links. A cgroup that is removed and created again at the
   * same path has another id.
   *
   * @throws Error (of node:fs) if the directory cannot be read
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the cgroup is closed
   */
  get id(): bigint {
    return fstatSync(this.unsafeFd(), { bigint: true }).ino;
  }

  /**
   * Finds the mount point of the cgroup2 file system: `/sys/fs/cgroup` on most hosts, `/sys/fs/cgroup/unified` on hosts
   * in hybrid mode.
   *
   * @returns path of the root cgroup, from the first cgroup2 mount in /proc/mounts
   * @throws NotACgroupError (`ERR_BPF_NOT_A_CGROUP`) if none is mounted, or /proc/mounts cannot be read
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the process or the machine is out of memory or file descriptors
   */
  static mountPoint(): string {
    let mounts: string;
    try {
      mounts = readFileSync('/proc/mounts', 'utf8');
    } catch (cause) {
      throw (
        exhausted(cause) ??
        new NotACgroupError('/proc/mounts', 'the list of mounts cannot be read', {
          cause,
          hint: 'mount -t proc proc /proc',
        })
      );
    }
    return findMountPoint(mounts);
  }

  /**
   * Opens a cgroup.
   *
   * @param path - its directory
   * @returns the cgroup. The caller closes it
   * @throws NotACgroupError (`ERR_BPF_NOT_A_CGROUP`) if the path does not exist or is not a cgroup of version 2
   * @throws TypeError if the path is not a non-empty string
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the process or the machine is out of memory or file descriptors
   */
  static open(path: string): Cgroup {
    if (typeof path !== 'string' || path === '') throw new TypeError('path: the directory of a cgroup is needed');
    let fd: number;
    try {
      if (statfsSync(path).type !== CGROUP2_MAGIC) {
        throw new NotACgroupError(path, 'it is not in a cgroup2 file system', { hint: mountHint() });
      }
      fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch (error) {
      if (error instanceof NotACgroupError) throw error;
      const exhaustion = exhausted(error, { subject: path });
      if (exhaustion !== undefined) throw exhaustion;
      const { code, errno } = error as NodeJS.ErrnoException;
      const reason = code === 'ENOENT' ? 'there is no such directory' : 'it cannot be opened';
      throw new NotACgroupError(path, reason, {
        cause: error,
        errno: errno === undefined ? undefined : Math.abs(errno),
        hint: mountHint(),
      });
    }
    return closeOnError(fd, () => new Cgroup(path, fd));
  }

  /**
   * Creates a cgroup and opens it.
   *
   * @param path - its directory. The parent directory must exist
   * @returns the cgroup. The caller closes it, and removes it with {@link Cgroup.remove}
   * @throws NotACgroupError (`ERR_BPF_NOT_A_CGROUP`) if the parent is not a cgroup of version 2
   * @throws TypeError if the path is not a string
   * @throws Error (of node:fs) if the directory cannot be created, for instance with code `'EEXIST'`
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the process or the machine is out of memory or file descriptors
   */
  static create(path: string): Cgroup {
    Cgroup.open(dirname(path)).close();
    mkdirSync(path);
    try {
      return Cgroup.open(path);
    } catch (error) {
      rmdirSync(path);
      throw error;
    }
  }

  /**
   * Attaches a program. It runs after programs that are already attached (the kernel's "multi" mode).
   *
   * Command: `BPF_LINK_CREATE` of bpf(2). Since Linux 5.7.
   *
   * @param program - program of a type that attaches to cgroups
   * @param options - the hook, if the program does not name it
   * @returns the link. The caller closes it, which detaches the program unless the link is pinned
   * @throws AlreadyAttachedError (`ERR_BPF_ALREADY_ATTACHED`) if another program was attached in exclusive mode
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_NET_ADMIN
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if the kernel is older than 5.7
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws TypeError if neither the program nor the options name a hook, or an option is unknown
   * @throws RangeError if the hook is unknown
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the cgroup or the program is closed
   */
  attach(program: BpfProgram, options: CgroupAttachOptions = {}): BpfLink {
    refuseUnknown(options, 'attach', { known: ['attachType'] });
    this.ensureOpen();
    const name = options.attachType ?? program.attachType;
    if (name === undefined) {
      throw new TypeError(`program "${program.name}" does not say where it attaches; give attachType`);
    }
    const attachType = attachTypeNumber(name);
    const subject = `program "${program.name}" as ${name} to ${this.path}`;
    const fd = libbpf.bpf_link_create(program.unsafeFd(), this.#fd, attachType, null);
    if (fd < 0) throw this.#attachError(-fd, attachType, subject);
    return closeOnError(fd, () => BpfLink.make(fd, `of ${subject}`));
  }

  /**
   * Lists the programs that are attached to this cgroup, whoever attached them.
   *
   * Command: `BPF_PROG_QUERY` of bpf(2). Since Linux 4.15; needs CAP_NET_ADMIN. Names and tags need CAP_SYS_ADMIN and
   * are empty without it.
   *
   * @param options - the hook, and whether to include inherited programs
   * @returns the programs in the order in which they run
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_NET_ADMIN
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws TypeError if an option is unknown or invalid
   * @throws RangeError if the hook is unknown
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the cgroup is closed
   */
  programs(options: CgroupProgramsOptions): CgroupProgram[] {
    refuseUnknown(options, 'programs', { known: ['attachType', 'effective'] });
    return queryPrograms(
      this.unsafeFd(),
      attachTypeNumber(options.attachType),
      options.effective ?? false,
      `${options.attachType} of ${this.path}`,
    );
  }

  /**
   * Removes the cgroup and closes this object.
   *
   * @throws Error (of node:fs) if it cannot be removed; its code is `'EBUSY'` if the cgroup has processes or
   * descendants
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the cgroup is closed
   */
  remove(): void {
    this.ensureOpen();
    rmdirSync(this.path);
    this.close();
  }

  /**
   * Returns the file descriptor of the directory, for system calls that this library does not offer.
   *
   * @returns the file descriptor. It belongs to this object: do not close it, and do not use it after `close()`
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the directory is closed
   */
  unsafeFd(): number {
    this.ensureOpen();
    return this.#fd;
  }

  /** @internal */
  protected override release(): void {
    closeSync(this.#fd);
  }

  #attachError(errno: number, attachType: number, subject: string): Error {
    const operation = 'bpf_link_create';
    const error = systemError(errno, { operation, subject });
    if (errno === Errno.EINVAL && !kernelAtLeast('5.7')) {
      return new NotSupportedError('attaching to a cgroup by link', {
        minimumKernel: '5.7',
        errno,
        operation,
        subject,
      });
    }
    if (errno !== Errno.EPERM || error.code === 'ERR_BPF_PERMISSION') return error;
    try {
      // The process has the permission to attach, so another program excludes it. Find out which one.
      const others = queryPrograms(this.#fd, attachType, true, subject);
      if (others.length > 0) return new AlreadyAttachedError(subject, others, { errno, operation });
    } catch {
      // The original error is more useful than a failure of this query.
    }
    return error;
  }
}

/** @internal Finds the mount point in the text of /proc/mounts, see proc_mounts(5). */
export function findMountPoint(mounts: string): string {
  for (const line of mounts.split('\n')) {
    const [, target, type] = line.split(' ');
    if (type === 'cgroup2' && target !== undefined) {
      // Spaces and other special characters are escaped as octal numbers.
      return target.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    }
  }
  throw new NotACgroupError('/proc/mounts', 'no cgroup2 file system is mounted', {
    hint: 'mount one with: mount -t cgroup2 none /sys/fs/cgroup/unified',
  });
}

function mountHint(): string {
  try {
    return `cgroup2 is mounted at ${Cgroup.mountPoint()} here`;
  } catch (error) {
    if ((error as NotACgroupError).cause !== undefined)
      return 'the mount point of cgroup2 cannot be read: mount -t proc proc /proc';
    return 'no cgroup2 is mounted on this host: mount -t cgroup2 none /sys/fs/cgroup/unified, or boot with a unified hierarchy';
  }
}
