import type { Acceleration, MapFill, MeshCounters } from '../mesh';

/** What is read of a mesh: a `MeshAccelerator` has it, a `PinnedMesh` has it. */
export interface MeasuredMesh {
  /** The scope for pods that do not choose their own. */
  readonly acceleration: Acceleration;
  /** Whether it was closed. */
  readonly closed?: boolean | undefined;
  /** What the programs counted. */
  counters(): MeshCounters;
  /** How full its maps are. */
  mapFill(): Promise<MapFill[]>;
}

/** What is read of a controller: a `PodController` has it. */
export interface MeasuredController {
  /** Seconds since the oldest change that is not applied yet. */
  readonly lag: number;
  /** How many errors were reported so far. */
  readonly errors: number;
  /** How many addresses it keeps enrolled. */
  readonly pods: number;
}
