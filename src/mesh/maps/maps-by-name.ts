import type { BpfMap } from '../../bpf';

/**
 * Gives access to the maps of a mesh: those of a loaded object, or pinned ones.
 *
 * @internal
 */
export interface MapsByName {
  map(name: string): BpfMap;
}
