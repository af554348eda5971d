import type { BpfMap } from '../../bpf';

/**
 * Where the handles of the mesh get their maps from: an object that is loaded, or pins.
 *
 * @internal
 */
export interface MapsByName {
  map(name: string): BpfMap;
}
