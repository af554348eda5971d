import { MODES, enterMesh, type Mode } from '../../test/bed';
import type { Enter } from '../comparison';

/** All ways that two applications can reach each other: without sidecars, and with them in each mode of the bed. */
export type Way = 'no mesh' | Mode;

export const WAYS: readonly Way[] = ['no mesh', ...MODES];

/** The way that the others are divided by. */
export const BASELINE: Way = 'iptables';

/** How the pods of a bed get there. */
export function enterBy(way: Way): Enter {
  return way === 'no mesh' ? () => Promise.resolve(undefined) : bed => enterMesh(bed, way);
}
