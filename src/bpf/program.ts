import { closeSync } from 'node:fs';

import { check, libbpf, programInfo } from '../native';
import { closeOnError, openPin, pinFd } from './fd';
import { Handle } from './handle';
import { checkInteger } from './options';
import { programTypeName, type AttachTypeName, type ProgramTypeName } from './types';

/** Where a program object gets its file descriptor from. */
export interface ProgramSource {
  readonly fd: number;
  readonly owned: boolean;
  readonly name?: string | undefined;
  readonly attachType?: AttachTypeName | undefined;
  readonly parent?: Handle | undefined;
}

/** How often a program ran, and for how long, as far as the kernel counted. */
export interface RunStatistics {
  /** How many runs were counted. */
  readonly runs: bigint;
  /** Nanoseconds in all of these runs together, with those that the kernel's clock takes. */
  readonly nanoseconds: bigint;
}

/**
 * A program that is loaded into the kernel.
 *
 * Those of a {@link BpfObject} are closed with it. An attachment holds the program in the kernel by itself: closing the
 * handle, or the object, does not detach anything.
 *
 * @see bpf(2), BPF_PROG_LOAD
 */
export class BpfProgram extends Handle {
  /** Name of its C function; cut to 15 bytes when the program was opened by id or by pin. */
  readonly name: string;
  /** Id that is unique on this machine as long as the program is loaded, as `bpftool prog` lists it. */
  readonly id: number;
  /** Kind of the program, such as `'cgroup_sock_addr'`. */
  readonly type: ProgramTypeName | `type ${number}`;
  /** Hash over the instructions, 16 hexadecimal digits: equal for equal code. */
  readonly tag: string;
  /** Where its section says it attaches; `undefined` when it was opened by id or by pin, or says nothing. */
  readonly attachType: AttachTypeName | undefined;
  readonly #fd: number;
  readonly #owned: boolean;

  private constructor(source: ProgramSource) {
    const info = programInfo(source.fd, source.name);
    super(`program "${source.name ?? info.name}"`, { parent: source.parent, tracked: source.owned });
    this.name = source.name ?? info.name;
    this.id = info.id;
    this.type = programTypeName(info.type);
    this.tag = info.tag;
    this.attachType = source.attachType;
    this.#fd = source.fd;
    this.#owned = source.owned;
  }

  /** @internal */
  static make(source: ProgramSource): BpfProgram {
    return new BpfProgram(source);
  }

  /**
   * Opens a program by its id. The caller closes it.
   *
   * Since Linux 4.13; needs CAP_SYS_ADMIN.
   *
   * @param id - as `bpftool prog` lists it
   * @throws BpfError with errnoName `'ENOENT'` when there is none
   */
  static fromId(id: number): BpfProgram {
    checkInteger(id, 1, 0xffff_ffff, 'id');
    const fd = check(libbpf.bpf_prog_get_fd_by_id(id), {
      operation: 'bpf_prog_get_fd_by_id',
      subject: `program ${id}`,
    });
    return closeOnError(fd, () => new BpfProgram({ fd, owned: true }));
  }

  /**
   * Opens a program that is pinned. The caller closes it.
   *
   * @param path - in a BPF file system
   * @throws BpfError with errnoName `'ENOENT'` when nothing is pinned there, `'EINVAL'` when it is no program
   */
  static fromPin(path: string): BpfProgram {
    const fd = openPin(path, 'program');
    return closeOnError(fd, () => new BpfProgram({ fd, owned: true }));
  }

  /**
   * Keeps the program loaded when the process ends, under a path.
   *
   * @param path - in a BPF file system, must not exist
   */
  pin(path: string): void {
    pinFd(this.unsafeFd(), path, this.label);
  }

  /**
   * Its runs since it was loaded. The kernel counts only while `kernel.bpf_stats_enabled` is 1; so take the difference
   * of two calls.
   *
   * Since Linux 5.1.
   */
  runStatistics(): RunStatistics {
    const { runCount, runTime } = programInfo(this.unsafeFd(), this.label);
    return { runs: runCount, nanoseconds: runTime };
  }

  /**
   * The file descriptor of the program, for functions that this library does not have.
   *
   * It belongs to this object: do not close it, and do not use it after `close()`.
   */
  unsafeFd(): number {
    this.ensureOpen();
    return this.#fd;
  }

  /** @internal */
  protected override release(): void {
    if (this.#owned) closeSync(this.#fd);
  }
}
