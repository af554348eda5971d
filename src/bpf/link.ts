import { closeSync } from 'node:fs';

import { NotSupportedError } from '../errors';
import { LINK_TYPE_CGROUP, check, libbpf, linkInfo, opts } from '../native';
import { closeOnError, openPin, pinFd, unpinPath } from './fd';
import { Handle } from './handle';
import { checkInteger, checkOptions } from './options';
import type { BpfProgram } from './program';
import { attachTypeName, type AttachTypeName } from './types';

/** BPF_F_REPLACE: the link must hold the program that the caller names. */
const F_REPLACE = 4;

/**
 * An attachment of a program that the kernel keeps as an object of its own.
 *
 * It ends when nothing holds it any more: `close()` gives up this hold, a pin is another one. So an attachment that has
 * to outlive the process is pinned, and a later process takes it over with {@link BpfLink.openPin}.
 *
 * Since Linux 5.7 for cgroups; ids since 5.8.
 *
 * @see https://docs.kernel.org/bpf/libbpf/program_types.html
 */
export class BpfLink extends Handle {
  /** Id that is unique on this machine as long as the link exists, as `bpftool link` lists it. */
  readonly id: number;
  /** Where it is attached; `undefined` for links that are not of a cgroup. */
  readonly attachType: AttachTypeName | undefined;
  /** Inode number of the cgroup it is attached to; `undefined` for other links. */
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
   * Takes over a link that is pinned. The caller closes it; the pin stays.
   *
   * @param path - in a BPF file system
   * @throws BpfError with errnoName `'ENOENT'` when nothing is pinned there, `'EINVAL'` when it is no link
   */
  static openPin(path: string): BpfLink {
    const fd = openPin(path, 'link');
    return closeOnError(fd, () => new BpfLink(fd, `pinned at ${path}`));
  }

  /**
   * Opens a link by its id. The caller closes it. Since Linux 5.8; needs CAP_SYS_ADMIN.
   *
   * @param id - as `bpftool link` lists it
   */
  static fromId(id: number): BpfLink {
    checkInteger(id, 1, 0xffff_ffff, 'id');
    const fd = check(libbpf.bpf_link_get_fd_by_id(id), { operation: 'bpf_link_get_fd_by_id', subject: `link ${id}` });
    return closeOnError(fd, () => new BpfLink(fd, `${id}`));
  }

  /** Id of the program that is attached now; 0 when the cgroup was removed or the link was detached. */
  programId(): number {
    return linkInfo(this.unsafeFd(), this.label).programId;
  }

  /**
   * Whether the attachment is still in force: the cgroup may have been removed, or someone may have detached the link.
   */
  isAttached(): boolean {
    const { type, programId, cgroupId } = linkInfo(this.unsafeFd(), this.label);
    return programId !== 0 && (type !== LINK_TYPE_CGROUP || cgroupId !== 0n);
  }

  /**
   * Puts another program in the place of the attached one, at once and without a moment between.
   *
   * @param program - of the same type as the old one
   * @param options - `expected`: only if this program is the attached one
   * @throws BpfError with errnoName `'EPERM'` when another program than the expected one is attached, `'EINVAL'` when
   * the types differ, `'ENOLINK'` when the link was detached
   */
  update(program: BpfProgram, options: { expected?: BpfProgram | undefined } = {}): void {
    checkOptions(options, ['expected'], 'update');
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
   * Keeps the attachment when the process ends, under a path.
   *
   * @param path - in a BPF file system, must not exist
   */
  pin(path: string): void {
    pinFd(this.unsafeFd(), path, this.label);
  }

  /** Removes a pin of this link; does nothing when it is gone. The attachment lasts until `close()`. */
  unpin(path: string): void {
    this.ensureOpen();
    unpinPath(path);
  }

  /**
   * Ends the attachment at once, whoever else holds the link. Does nothing when it has ended.
   *
   * Since Linux 5.9.
   */
  detach(): void {
    const result = libbpf.bpf_link_detach(this.unsafeFd());
    if (result === -22) throw new NotSupportedError('detaching a link', { minimumKernel: '5.9', subject: this.label });
    check(result, { operation: 'bpf_link_detach', subject: this.label });
  }

  /**
   * The file descriptor of the link, for functions that this library does not have.
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
}
