import { closeSync, constants, fstatSync, mkdirSync, openSync, readFileSync, rmdirSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

import { AlreadyAttachedError, Errno, exhausted, NotACgroupError, NotSupportedError } from '../errors';
import { libbpf, systemError } from '../native';
import { closeOnError } from './fd';
import { Handle } from './handle';
import { kernelAtLeast } from './kernel-version';
import { BpfLink } from './link';
import { checkOptions } from './options';
import type { BpfProgram } from './program';
import { queryPrograms } from './query';
import { attachTypeNumber, type AttachTypeName } from './types';

/** CGROUP2_SUPER_MAGIC of linux/magic.h. */
const CGROUP2_MAGIC = 0x63677270;

/** Options of {@link Cgroup.attach}. */
export interface CgroupAttachOptions {
  /** Default: what the section of the program says. Needed for programs that were opened by id or by pin. */
  attachType?: AttachTypeName | undefined;
}

/** Options of {@link Cgroup.programs}. */
export interface CgroupProgramsOptions {
  /** Which hook to ask about. */
  attachType: AttachTypeName;
  /** Whether to list what is inherited from above too, in the order in which the programs run. Default: false. */
  effective?: boolean | undefined;
}

/** A program that is attached to a cgroup. */
export interface CgroupProgram {
  /** Id of the program, as `bpftool prog` lists it. */
  readonly id: number;
  /** Name, cut by the kernel to 15 bytes. Empty without CAP_SYS_ADMIN. */
  readonly name: string;
  /** Hash over its instructions. Empty without CAP_SYS_ADMIN. */
  readonly tag: string;
}

/**
 * A control group of version 2, to which programs are attached: they see the sockets of all processes in it and below.
 *
 * Closing the object does not detach anything: that is what the links do.
 *
 * @see cgroups(7)
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
  /** Path it was opened by. */
  readonly path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    super(`cgroup ${path}`);
    this.path = path;
    this.#fd = fd;
  }

  /**
   * Inode number of its directory, by which links name it: another one when a cgroup with the same path is made anew.
   */
  get id(): bigint {
    return fstatSync(this.unsafeFd(), { bigint: true }).ino;
  }

  /**
   * Where the file system of cgroup version 2 is mounted: `/sys/fs/cgroup` on most hosts, `/sys/fs/cgroup/unified` on
   * those in hybrid mode.
   *
   * @returns path of the root cgroup, the first one that is mounted
   * @throws NotACgroupError `ERR_BPF_NOT_A_CGROUP` when none is mounted
   */
  static mountPoint(): string {
    let mounts: string;
    try {
      mounts = readFileSync('/proc/mounts', 'utf8');
    } catch (cause) {
      throw (
        exhausted(cause) ??
        new NotACgroupError('/proc/mounts', 'what is mounted cannot be read', {
          cause,
          hint: 'mount -t proc proc /proc',
        })
      );
    }
    return findMountPoint(mounts);
  }

  /**
   * Opens a cgroup. The caller closes it.
   *
   * @param path - its directory
   * @throws NotACgroupError `ERR_BPF_NOT_A_CGROUP` when it does not exist or is none of version 2
   */
  static open(path: string): Cgroup {
    if (typeof path !== 'string' || path === '') throw new TypeError('path: the directory of a cgroup is needed');
    let fd: number;
    try {
      if (statfsSync(path).type !== CGROUP2_MAGIC) {
        throw new NotACgroupError(path, 'it is not in a file system of cgroup version 2', { hint: mountHint() });
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
   * Makes a new cgroup and opens it. The caller closes it, and removes it with {@link Cgroup.remove}.
   *
   * @param path - its directory; the one above it has to exist
   * @throws NotACgroupError `ERR_BPF_NOT_A_CGROUP` when the one above is no cgroup of version 2
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
   * Attaches a program, beside those of others (the kernel's "multi" mode) and after them.
   *
   * Since Linux 5.7.
   *
   * @param program - of a type that attaches to cgroups
   * @param options - where, if the program does not say
   * @returns the link; the attachment ends when it is closed, unless it is pinned
   * @throws AlreadyAttachedError `ERR_BPF_ALREADY_ATTACHED` when another program was attached in a way that excludes
   * others
   * @throws PermissionError `ERR_BPF_PERMISSION` without CAP_NET_ADMIN
   * @throws NotSupportedError `ERR_BPF_NOT_SUPPORTED` before Linux 5.7
   * @throws TypeError when it is not known where to attach
   */
  attach(program: BpfProgram, options: CgroupAttachOptions = {}): BpfLink {
    checkOptions(options, ['attachType'], 'attach');
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
   * The programs that are attached here, whoever did it.
   *
   * Since Linux 4.15; needs CAP_NET_ADMIN. The names and tags need CAP_SYS_ADMIN, and are empty without it.
   *
   * @param options - which hook, and whether with what is inherited
   */
  programs(options: CgroupProgramsOptions): CgroupProgram[] {
    checkOptions(options, ['attachType', 'effective'], 'programs');
    return queryPrograms(
      this.unsafeFd(),
      attachTypeNumber(options.attachType),
      options.effective ?? false,
      `${options.attachType} of ${this.path}`,
    );
  }

  /**
   * Removes the cgroup and closes the object.
   *
   * @throws an error of the file system with code `'EBUSY'` while processes or other cgroups are in it
   */
  remove(): void {
    this.ensureOpen();
    rmdirSync(this.path);
    this.close();
  }

  /**
   * The file descriptor of the directory, for functions that this library does not have.
   *
   * It belongs to this object: do not close it, and do not use it after `close()`.
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
      // The process may attach, so another program bars it: tell which.
      const others = queryPrograms(this.#fd, attachType, true, subject);
      if (others.length > 0) return new AlreadyAttachedError(subject, others, { errno, operation });
    } catch {
      // The first error tells more than that of the question after its cause.
    }
    return error;
  }
}

/** @internal Finds the mount point in the text of /proc/mounts, see proc_mounts(5). */
export function findMountPoint(mounts: string): string {
  for (const line of mounts.split('\n')) {
    const [, target, type] = line.split(' ');
    if (type === 'cgroup2' && target !== undefined) {
      // Blanks and the like are written as octal numbers.
      return target.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    }
  }
  throw new NotACgroupError('/proc/mounts', 'no file system of cgroup version 2 is mounted', {
    hint: 'mount one with: mount -t cgroup2 none /sys/fs/cgroup/unified',
  });
}

function mountHint(): string {
  try {
    return `cgroup2 is mounted at ${Cgroup.mountPoint()} here`;
  } catch (error) {
    if ((error as NotACgroupError).cause !== undefined)
      return 'where cgroup2 is mounted cannot be read: mount -t proc proc /proc';
    return 'no cgroup2 is mounted on this host: mount -t cgroup2 none /sys/fs/cgroup/unified, or boot with a unified hierarchy';
  }
}
