import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/**
 * A path does not name a cgroup of version 2, or no cgroup2 file system is mounted.
 *
 * BPF programs attach to cgroups of version 2 only. On hosts in hybrid mode these live below
 * `/sys/fs/cgroup/unified`; `Cgroup.mountPoint()` finds the place.
 */
export class NotACgroupError extends BpfError {
  declare readonly code: 'ERR_BPF_NOT_A_CGROUP';

  /**
   * @param subject - the path, or the file system that is missing
   * @param reason - what is wrong with it, in a few words
   * @param options - the usual facts
   */
  constructor(subject: string, reason: string, options: Omit<BpfErrorOptions, 'subject'> = {}) {
    super('ERR_BPF_NOT_A_CGROUP', { ...options, subject }, reason);
  }
}

/** A program that stands in the way of another. */
export interface AttachedProgram {
  /** Kernel-wide id of the program, as `bpftool prog` lists it. */
  readonly id: number;
  /** Its name, cut by the kernel to 15 bytes. */
  readonly name: string;
}

/**
 * An accelerator that is attached, and what keeps it so. What is not known, or not visible to this process, is left
 * out.
 */
export interface AttachmentHolder {
  /** Kernel-wide id of the program that redirects. */
  readonly programId: number;
  /** Its name, cut by the kernel to 15 bytes; empty without CAP_SYS_ADMIN. */
  readonly name: string;
  /** Path of the cgroup that it is attached to. */
  readonly cgroup?: string | undefined;
  /** Kernel-wide id of its link. */
  readonly linkId?: number | undefined;
  /** The directory for pins that keeps it attached. */
  readonly pinDirectory?: string | undefined;
  /** Id of the process that holds it, or with `pinDirectory` of the one that works with these pins. */
  readonly pid?: number | undefined;
}

/**
 * Other programs are attached in a way that leaves no room for one more.
 *
 * Who owns them can be seen with `bpftool prog show id <id>`.
 */
export class AlreadyAttachedError extends BpfError {
  declare readonly code: 'ERR_BPF_ALREADY_ATTACHED';
  /** The programs that are attached. */
  readonly programs: readonly AttachedProgram[];
  /** Where they are attached and who holds them, if they are of an accelerator; otherwise empty. */
  readonly holders: readonly AttachmentHolder[];

  /**
   * @param subject - what they are attached to
   * @param programs - the programs that are attached
   * @param options - the usual facts, and who holds the programs
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
 * Where a program is attached and who holds it, for messages.
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
 * The records of a ring buffer are taken already, in this process. There is one position for all readers, so a second
 * one would take records away from the first.
 */
export class RingInUseError extends BpfError {
  declare readonly code: 'ERR_BPF_RING_IN_USE';

  /**
   * @param subject - the map
   * @param options - the usual facts
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
