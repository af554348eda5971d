/**
 * Memory that C may use after the call that told it of it: callbacks, and the buffers around the stack memory that they
 * were called with.
 *
 * In a global, because the engine collects module variables that no running function refers to, while C still has the
 * address.
 */
const HELD = Symbol.for('merbridge.native.callbacks');
type Held = Set<unknown>;
const holder = globalThis as typeof globalThis & { [HELD]?: Held };

/** What must not be collected. Whoever adds what is not for ever takes it out again. */
export const held: Held = (holder[HELD] ??= new Set());
