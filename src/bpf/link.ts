import { closeSync } from 'node:fs';

import { NotSupportedError } from '../errors';
import { LINK_TYPE_CGROUP, check, libbpf, linkInfo, opts } from '../native';
import { closeOnError, openPin, pinFd, unpinPath } from './fd';
import { Handle } from './handle';
import { assertInteger, refuseUnknown } from '../checks';
import type { BpfProgram } from './program';
import { attachTypeName, type AttachTypeName } from './types';

/** BPF_F_REPLACE: fail unless the link has the program that the caller names. */
const F_REPLACE = 4;

/**
 * A BPF link: an attachment of a program that is a kernel object of its own.
 *
 * The attachment ends when nothing refers to the link any more. This object is one reference, which `close()` releases;
 * a pin is another. So pin an attachment that must outlive the process, and take it over later with {@link
 * BpfLink.openPin}.
 *
 * Command: `BPF_LINK_CREATE` of bpf(2). Since Linux 5.7 for cgroups; ids since Linux 5.8.
 *
 * @see https://docs.kernel.org/bpf/libbpf/program_types.html
 *
 * @example
 * ```ts
 * import { BpfLink, type BpfProgram, type Cgroup } from 'merbridge/bpf';
 *
 * function attachOrTakeOver(cgroup: Cgroup, program: BpfProgram, path: string): void {
 *   try {
 *     using link = BpfLink.openPin(path);
 *     link.update(program); // replaces the program of an earlier process without a gap
 *   } catch {
 *     using link = cgroup.attach(program);
 *     link.pin(path); // stays attached
 *   }
 * }
 * ```
 */
export class BpfLink extends Handle {
  /** Id as `bpftool link` lists it. It is unique on this machine while the link exists. */
  readonly id: number;
  /** The hook that it is attached to. `undefined` if it is not a cgroup link. */
  readonly attachType: AttachTypeName | undefined;
  /** Inode number of the cgroup that it is attached to. `undefined` if it is not a cgroup link. */
  readonly cgroupId: bigint | undefined;
  readonly #fd: number;

  private constructor(fd: number, label: string) {
    const info = linkInfo(fd, label);
    super(`link ${label}`);
    this.id = info.id;
    this.attachType = info.type === LINK_TYPE_CGROUP ? attachTypeName(info.attachType) : undefined;
    this.cgroupId = info.type === LINK_TYPE_CGROUP ? info.cgroupId : undefined;
    this.#fd = fd;
  }

  /** @internal */
  static make(fd: number, label: string): BpfLink {
    return new BpfLink(fd, label);
  }

  /**
   * Opens a pinned link.
   *
   * @param path - path of the pin in a BPF file system
   * @returns the link. The caller closes it; the pin remains
   * @throws TypeError if the path is not a non-empty string
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the pin cannot be opened; errnoName is `'ENOENT'` if nothing is pinned
   * there, and `'EINVAL'` if the pin is not a link
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if /proc is not mounted
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static openPin(path: string): BpfLink {
    const fd = openPin(path, 'link');
    return closeOnError(fd, () => new BpfLink(fd, `pinned at ${path}`));
  }

  /**
   * Opens a link by its id.
   *
   * Command: `BPF_LINK_GET_FD_BY_ID` of bpf(2). Since Linux 5.8; needs CAP_SYS_ADMIN.
   *
   * @param id - id as `bpftool link` lists it
   * @returns the link. The caller closes it
   * @throws TypeError if `id` is not a number
   * @throws RangeError if `id` is not an integer from 1 to 2^32-1
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; errnoName is `'ENOENT'` if there is no such link
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_SYS_ADMIN
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static fromId(id: number): BpfLink {
    assertInteger(id, 1, 0xffff_ffff, 'id');
    const fd = check(libbpf.bpf_link_get_fd_by_id(id), { operation: 'bpf_link_get_fd_by_id', subject: `link ${id}` });
    return closeOnError(fd, () => new BpfLink(fd, `${id}`));
  }

  /**
   * Reads the id of the program that is attached now.
   *
   * @returns the id, or 0 if the cgroup was removed or the link was detached
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the link is closed
   */
  programId(): number {
    return linkInfo(this.unsafeFd(), this.label).programId;
  }

  /**
   * Checks whether the program is still attached. The cgroup may have been removed, or somebody may have detached the
   * link.
   *
   * @returns whether it is attached
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the link is closed
   */
  isAttached(): boolean {
    const { type, programId, cgroupId } = linkInfo(this.unsafeFd(), this.label);
    return programId !== 0 && (type !== LINK_TYPE_CGROUP || cgroupId !== 0n);
  }

  /**
   * Replaces the attached program atomically: there is no moment without a program.
   *
   * Command: `BPF_LINK_UPDATE` of bpf(2). Since Linux 5.7.
   *
   * @param program - program of the same type as the old one
   * @param options - `expected`: replace only if this program is the attached one
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; errnoName is `'EPERM'` if another program than the
   * expected one is attached, `'EINVAL'` if the types differ, and `'ENOLINK'` if the link was detached
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the kernel refuses with EPERM and the process lacks capabilities
   * @throws TypeError if an option is unknown or invalid
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the link or a program is closed
   */
  update(program: BpfProgram, options: { expected?: BpfProgram | undefined } = {}): void {
    refuseUnknown(options, 'update', { known: ['expected'] });
    const { expected } = options;
    const extra =
      expected === undefined
        ? null
        : opts('bpf_link_update_opts', { flags: F_REPLACE, old_prog_fd: expected.unsafeFd() });
    check(libbpf.bpf_link_update(this.unsafeFd(), program.unsafeFd(), extra), {
      operation: 'bpf_link_update',
      subject: `${this.label} to program "${program.name}"`,
    });
  }

  /**
   * Pins the link to a path, so that the program stays attached after the process exits.
   *
   * @param path - path of the pin in a BPF file system. It must not exist
   * @throws TypeError if the path is not a non-empty string
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if it cannot be pinned; errnoName is `'EEXIST'` if the path exists, and
   * `'EINVAL'` if it is not in a BPF file system
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the link is closed
   */
  pin(path: string): void {
    pinFd(this.unsafeFd(), path, this.label);
  }

  /**
   * Removes a pin of this link. Does nothing if the pin does not exist. The program stays attached until `close()`.
   *
   * @param path - path of the pin
   * @throws TypeError if the path is not a non-empty string
   * @throws Error (of node:fs) if the pin cannot be removed
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the link is closed
   */
  unpin(path: string): void {
    this.ensureOpen();
    unpinPath(path);
  }

  /**
   * Detaches the program immediately, even if other references to the link exist. Does nothing if it is already
   * detached.
   *
   * Command: `BPF_LINK_DETACH` of bpf(2). Since Linux 5.9.
   *
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if the kernel is older than 5.9
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the link is closed
   */
  detach(): void {
    const result = libbpf.bpf_link_detach(this.unsafeFd());
    if (result === -22) throw new NotSupportedError('detaching a link', { minimumKernel: '5.9', subject: this.label });
    check(result, { operation: 'bpf_link_detach', subject: this.label });
  }

  /**
   * Returns the file descriptor of the link, for system calls that this library does not offer.
   *
   * @returns the file descriptor. It belongs to this object: do not close it, and do not use it after `close()`
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the link is closed
   */
  unsafeFd(): number {
    this.ensureOpen();
    return this.#fd;
  }

  /** @internal */
  protected override release(): void {
    closeSync(this.#fd);
  }
}
