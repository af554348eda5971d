import type { Datapath } from './datapath';
import type { KernelFindings } from './witness';

/** Maps of an earlier process that had to be replaced when a mesh was started with a pin directory. */
export interface MeshAdoption {
  /** Maps whose layout or size has changed. Their entries were copied, as far as both layouts have them. */
  readonly carriedOver: readonly string[];
  /** Maps whose entries could not be copied. They start empty. */
  readonly madeAnew: readonly string[];
}

/** The members of a link that {@link Holder.link} gives access to. @internal */
export interface HeldLink {
  readonly cgroupId: bigint | undefined;
  isAttached(): boolean;
  close(): void;
}

/**
 * What keeps a datapath in the kernel: this process, or pins.
 *
 * @internal
 */
export interface Holder {
  readonly datapath: Datapath;
  /** Properties of this kernel that the start tested. */
  readonly kernel: KernelFindings;
  /** Maps that were replaced when pins were taken over. `undefined` if nothing was taken over. */
  readonly adoption: MeshAdoption | undefined;
  /**
   * Attaches the programs. If that fails, the programs that were attached before are attached again.
   *
   * @returns a promise that is fulfilled when all are attached
   */
  attach(): Promise<void>;
  /**
   * Returns the link of a program.
   *
   * @param program - its name
   * @returns the link. The caller closes it. `undefined` if there is none
   */
  link(program: string): HeldLink | undefined;
  /**
   * Releases what this process holds, in the order that loses no data and no connection.
   *
   * @returns a promise that is fulfilled when everything is released
   */
  close(): Promise<void>;
  /** Releases what this process holds after a failed start. */
  abandon(): void;
}
