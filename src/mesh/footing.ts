import type { BpfObject } from '../bpf';
import type { MeshCounters } from './maps/counters';
import type { Drain } from './datapath/drain';
import type { FionreadCounts } from './datapath/fionread';
import type { BacklogAccount } from './mesh-options';
import type { MeshSettings } from './maps/mesh-settings';

/** What was found of an earlier process when a mesh was started with a pin directory. */
export interface MeshAdoption {
  /** Maps whose layout or size is another one now: their entries were copied, as far as both layouts go. */
  readonly carriedOver: readonly string[];
  /** Maps whose entries could not be copied: they begin empty. */
  readonly madeAnew: readonly string[];
}

/** What is asked of the handles of an accelerator while it comes and goes. @internal */
export interface MeshHandles {
  readonly settings: MeshSettings;
  readonly drain: Drain;
  counters(): MeshCounters;
}

/**
 * What holds the programs of an accelerator in the kernel: this process, or pins.
 *
 * @internal
 */
export interface Footing {
  readonly object: BpfObject;
  readonly account: BacklogAccount;
  readonly fionreadCounts: FionreadCounts;
  readonly adoption: MeshAdoption | undefined;
  /** A new one of `mesh_settings`, written under the lock of this footing if it has one. */
  settings(): MeshSettings;
  /** Attaches the programs; if that fails, what was there before is there again. */
  attach(handles: MeshHandles): Promise<void>;
  /** The link of a program; the caller closes it. `undefined` if there is none. */
  link(program: string): { isAttached: () => boolean; cgroupId: bigint | undefined; close: () => void } | undefined;
  /** Ends what this process holds, in the order that loses nothing. */
  close(handles: MeshHandles): Promise<void>;
  /** After a start that failed: gives back what it holds. */
  abandon(): void;
}
