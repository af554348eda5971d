import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/**
 * A path is not a cgroup of version 2, or no cgroup2 file system is mounted.
 *
 * BPF programs attach only to cgroups of version 2. On hosts in hybrid mode these are below `/sys/fs/cgroup/unified`;
 * `Cgroup.mountPoint()` finds the mount point.
 *
 * @see cgroups(7)
 *
 * @example
 * ```ts
 * import { NotACgroupError } from 'merbridge';
 * import { Cgroup } from 'merbridge/bpf';
 *
 * try {
 *   Cgroup.open('/sys/fs/cgroup/kubepods.slice').close();
 * } catch (error) {
 *   if (!(error instanceof NotACgroupError)) throw error;
 *   console.error(error.hint); // names the mount point
 * }
 * ```
 */
export class NotACgroupError extends BpfError {
  /** Always `'ERR_BPF_NOT_A_CGROUP'`. */
  declare readonly code: 'ERR_BPF_NOT_A_CGROUP';

  /**
   * Creates the error.
   *
   * @param subject - the path, or the file system that is missing
   * @param reason - what is wrong with it, in a few words
   * @param options - error number, operation, hint and cause, as far as they are known
   */
  constructor(subject: string, reason: string, options: Omit<BpfErrorOptions, 'subject'> = {}) {
    super('ERR_BPF_NOT_A_CGROUP', { ...options, subject }, reason);
  }
}

/** A program that is attached where another one was to be attached. */
export interface AttachedProgram {
  /** Id of the program, unique on this machine, as `bpftool prog` lists it. */
  readonly id: number;
  /** Name of the program. The kernel keeps 15 bytes of it. */
  readonly name: string;
}

/**
 * An attached accelerator, and what keeps it attached. Properties that are unknown or not visible to this process are
 * absent.
 */
export interface AttachmentHolder {
  /** Id of the program that redirects connections, as `bpftool prog` lists it. */
  readonly programId: number;
  /** Name of the program. The kernel keeps 15 bytes of it. Empty without CAP_SYS_ADMIN. */
  readonly name: string;
  /** Path of the cgroup that the program is attached to. */
  readonly cgroup?: string | undefined;
  /** Id of the link, as `bpftool link` lists it. */
  readonly linkId?: number | undefined;
  /** The pin directory that keeps the program attached. */
  readonly pinDirectory?: string | undefined;
  /** Id of the process that holds the link or, together with `pinDirectory`, of the process that uses these pins. */
  readonly pid?: number | undefined;
}

/**
 * Other programs are already attached and leave no room for another one.
 *
 * `bpftool prog show id <id>` shows who owns a program.
 *
 * @example
 * ```ts
 * import { AlreadyAttachedError, MeshAccelerator } from 'merbridge';
 *
 * async function start(cgroup: string): Promise<MeshAccelerator | undefined> {
 *   try {
 *     return await MeshAccelerator.start({ cgroup });
 *   } catch (error) {
 *     if (!(error instanceof AlreadyAttachedError)) throw error;
 *     for (const { pid, pinDirectory } of error.holders) console.error(`held by ${pid ?? pinDirectory ?? 'unknown'}`);
 *     return undefined;
 *   }
 * }
 * ```
 */
export class AlreadyAttachedError extends BpfError {
  /** Always `'ERR_BPF_ALREADY_ATTACHED'`. */
  declare readonly code: 'ERR_BPF_ALREADY_ATTACHED';
  /** The attached programs. */
  readonly programs: readonly AttachedProgram[];
  /**
   * Where the programs of accelerators are attached, and who holds them. Empty if no program belongs to an accelerator.
   */
  readonly holders: readonly AttachmentHolder[];

  /**
   * Creates the error.
   *
   * @param subject - what the programs are attached to
   * @param programs - the attached programs
   * @param options - error number, operation, hint and cause, as far as they are known; `holders` says who holds the
   * programs
   */
  constructor(
    subject: string,
    programs: readonly AttachedProgram[],
    options: Omit<BpfErrorOptions, 'subject'> & { readonly holders?: readonly AttachmentHolder[] | undefined } = {},
  ) {
    const { holders = [], ...facts } = options;
    const list = programs.map(({ id, name }) => {
      const holder = holders.find(({ programId }) => programId === id);
      return `${name === '' ? '(unnamed)' : name} (id ${id})${holder === undefined ? '' : describeHolder(holder)}`;
    });
    super('ERR_BPF_ALREADY_ATTACHED', { ...facts, subject }, `already attached there: ${list.join(', ')}`);
    this.programs = Object.freeze([...programs]);
    this.holders = Object.freeze([...holders]);
  }
}

/**
 * Formats where a program is attached and who holds it, for messages.
 *
 * @internal
 */
export function describeHolder({ cgroup, pinDirectory, pid }: AttachmentHolder): string {
  const by = [
    ...(pinDirectory === undefined ? [] : [`pins in ${pinDirectory}`]),
    ...(pid === undefined ? [] : [`process ${pid}`]),
  ];
  return `${cgroup === undefined ? ' above what is visible here' : ` at ${cgroup}`}${by.length === 0 ? '' : `, held by ${by.join(' and ')}`}`;
}

/**
 * Another reader in this process already consumes the ring buffer. All readers share one position, so two readers would
 * take records from each other.
 *
 * @example
 * ```ts
 * import { RingInUseError } from 'merbridge';
 * import type { RingBuffer } from 'merbridge/bpf';
 *
 * function tryConsume(ring: RingBuffer<number>): boolean {
 *   try {
 *     ring.consume(record => console.log(record));
 *     return true;
 *   } catch (error) {
 *     if (error instanceof RingInUseError) return false;
 *     throw error;
 *   }
 * }
 * ```
 */
export class RingInUseError extends BpfError {
  /** Always `'ERR_BPF_RING_IN_USE'`. */
  declare readonly code: 'ERR_BPF_RING_IN_USE';

  /**
   * Creates the error.
   *
   * @param subject - the map
   * @param options - operation, hint and cause, as far as they are known
   */
  constructor(subject: string, options: Omit<BpfErrorOptions, 'subject'> = {}) {
    super(
      'ERR_BPF_RING_IN_USE',
      { hint: 'stop or close the other reader first', ...options, subject },
      'its records are taken already',
    );
  }
}

defineError(NotACgroupError, 'NotACgroupError');
defineError(AlreadyAttachedError, 'AlreadyAttachedError');
defineError(RingInUseError, 'RingInUseError');
