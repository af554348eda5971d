import type { Datapath } from './datapath';
import type { KernelFindings } from './witness';

/** What was found of an earlier process when a mesh was started with a pin directory. */
export interface MeshAdoption {
  /** Maps whose layout or size is another one now: their entries were copied, as far as both layouts go. */
  readonly carriedOver: readonly string[];
  /** Maps whose entries could not be copied: they begin empty. */
  readonly madeAnew: readonly string[];
}

/** A link, as far as it is looked at. @internal */
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
  /** What was found out of this kernel. */
  readonly kernel: KernelFindings;
  /** What was taken over; `undefined` if nothing was. */
  readonly adoption: MeshAdoption | undefined;
  /** Attaches the programs; if that fails, what was attached before is attached again. */
  attach(): Promise<void>;
  /** The link of a program; the caller closes it. `undefined` if there is none. */
  link(program: string): HeldLink | undefined;
  /** Ends what this process holds, in the order that loses nothing. */
  close(): Promise<void>;
  /** After a start that failed: gives back what it holds. */
  abandon(): void;
}
