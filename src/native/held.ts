/**
 * Memory that C may use after the call that received it: callbacks, and the buffers around the stack memory that they
 * were called with.
 *
 * It is stored in a global, because the engine collects module variables that no running function refers to, while C
 * still has their address.
 */
const HELD = Symbol.for('merbridge.native.callbacks');
type Held = Set<unknown>;
const holder = globalThis as typeof globalThis & { [HELD]?: Held };

/** Objects that must not be garbage collected. Remove an object that is not needed forever. */
export const held: Held = (holder[HELD] ??= new Set());
