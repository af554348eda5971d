import { closeSync } from 'node:fs';

import { check, libbpf, programInfo } from '../native';
import { closeOnError, openPin, pinFd } from './fd';
import { Handle } from './handle';
import { assertInteger } from '../checks';
import { programTypeName, type AttachTypeName, type ProgramTypeName } from './types';

/** Where a program object gets its file descriptor from. */
export interface ProgramSource {
  readonly fd: number;
  readonly owned: boolean;
  readonly name?: string | undefined;
  readonly attachType?: AttachTypeName | undefined;
  readonly parent?: Handle | undefined;
}

/** Number of runs of a program and their duration, as far as the kernel counted them. */
export interface RunStatistics {
  /** Number of counted runs. */
  readonly runs: bigint;
  /** Total duration of these runs in nanoseconds, including the time that the kernel takes to read its clock. */
  readonly nanoseconds: bigint;
}

/**
 * A program that is loaded into the kernel.
 *
 * Programs of a {@link BpfObject} are closed together with it. An attachment keeps the program loaded by itself:
 * closing this object or the BpfObject does not detach anything.
 *
 * Command: `BPF_PROG_LOAD` of bpf(2). Reading `id`, `type` and `tag` needs Linux 4.13 (`BPF_OBJ_GET_INFO_BY_FD`).
 *
 * @see bpf(2)
 *
 * @example
 * ```ts
 * import { BpfProgram } from 'merbridge/bpf';
 *
 * using program = BpfProgram.fromPin('/sys/fs/bpf/connect4');
 * console.log(program.id, program.type, program.tag);
 * ```
 */
export class BpfProgram extends Handle {
  /**
   * Name of its C function. The kernel keeps 15 bytes of it, so a program that was opened by id or by pin has a shorter
   * name.
   */
  readonly name: string;
  /** Id as `bpftool prog` lists it. It is unique on this machine while the program is loaded. */
  readonly id: number;
  /** Program type, such as `'cgroup_sock_addr'`. */
  readonly type: ProgramTypeName | `type ${number}`;
  /** Hash of the instructions, 16 hexadecimal digits. Equal code has an equal tag. */
  readonly tag: string;
  /**
   * The hook that the ELF section of the program names. `undefined` if the section names none, or if the program was
   * opened by id or by pin.
   */
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
   * Opens a loaded program by its id.
   *
   * Command: `BPF_PROG_GET_FD_BY_ID` of bpf(2). Since Linux 4.13; needs CAP_SYS_ADMIN.
   *
   * @param id - id as `bpftool prog` lists it
   * @returns the program. The caller closes it
   * @throws TypeError if `id` is not a number
   * @throws RangeError if `id` is not an integer from 1 to 2^32-1
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; errnoName is `'ENOENT'` if there is no such program
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_SYS_ADMIN
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static fromId(id: number): BpfProgram {
    assertInteger(id, 1, 0xffff_ffff, 'id');
    const fd = check(libbpf.bpf_prog_get_fd_by_id(id), {
      operation: 'bpf_prog_get_fd_by_id',
      subject: `program ${id}`,
    });
    return closeOnError(fd, () => new BpfProgram({ fd, owned: true }));
  }

  /**
   * Opens a pinned program.
   *
   * Command: `BPF_OBJ_GET` of bpf(2). Since Linux 4.4.
   *
   * @param path - path of the pin in a BPF file system
   * @returns the program. The caller closes it; the pin remains
   * @throws TypeError if the path is not a non-empty string
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the pin cannot be opened; errnoName is `'ENOENT'` if nothing is pinned
   * there, and `'EINVAL'` if the pin is not a program
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if /proc is not mounted
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static fromPin(path: string): BpfProgram {
    const fd = openPin(path, 'program');
    return closeOnError(fd, () => new BpfProgram({ fd, owned: true }));
  }

  /**
   * Pins the program to a path, so that it stays loaded after the process exits.
   *
   * Command: `BPF_OBJ_PIN` of bpf(2). Since Linux 4.4.
   *
   * @param path - path of the pin in a BPF file system. It must not exist
   * @throws TypeError if the path is not a non-empty string
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if it cannot be pinned; errnoName is `'EEXIST'` if the path exists, and
   * `'EINVAL'` if it is not in a BPF file system
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the program is closed
   */
  pin(path: string): void {
    pinFd(this.unsafeFd(), path, this.label);
  }

  /**
   * Reads how often the program ran since it was loaded. The kernel counts only while statistics are enabled (sysctl
   * `kernel.bpf_stats_enabled`), so use the difference of two calls.
   *
   * Since Linux 5.1. Before, both numbers are 0.
   *
   * @returns runs and duration
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the program is closed
   */
  runStatistics(): RunStatistics {
    const { runCount, runTime } = programInfo(this.unsafeFd(), this.label);
    return { runs: runCount, nanoseconds: runTime };
  }

  /**
   * Returns the file descriptor of the program, for system calls that this library does not offer.
   *
   * @returns the file descriptor. It belongs to this object: do not close it, and do not use it after `close()`
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the program is closed
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
