import type { Acceleration, MapFill, MeshCounters } from '../mesh';

/** The parts of a mesh that the metrics read. A `MeshAccelerator` and a `PinnedMesh` have them. */
export interface MeasuredMesh {
  /** The scope for pods that do not choose their own. */
  readonly acceleration: Acceleration;
  /** Whether the mesh was closed. */
  readonly closed?: boolean | undefined;
  /**
   * Reads the counters of the programs.
   *
   * @returns all counters
   */
  counters(): MeshCounters;
  /**
   * Counts the entries of the maps.
   *
   * @returns entries and capacity of each map
   */
  mapFill(): Promise<MapFill[]>;
}

/** The parts of a controller that the metrics read. A `PodController` has them. */
export interface MeasuredController {
  /** Age in seconds of the oldest change that is not applied yet. */
  readonly lag: number;
  /** Number of errors that were reported so far. */
  readonly errors: number;
  /** Number of addresses that it keeps enrolled. */
  readonly pods: number;
}
