import { shown } from '../errors';

/**
 * How far acceleration goes, from narrow to wide.
 *
 * - `'off'`: connections are redirected to their sidecars, every byte takes the TCP stack, no socket enters a sockmap.
 * - `'proxies'`: connections whose two ends are sidecars of this node move from socket to socket. No application socket
 *   ever behaves differently. A sidecar that reads by splice(2) needs `'off'`: HAProxy with `option splice-request`.
 * - `'full'`: application sockets too. A socket in a sockmap is not quite a socket (splice(2) never sees redirected
 *   bytes; a blocking `recv` may return EAGAIN; FIONREAD, MSG_WAITALL and MSG_ZEROCOPY differ; `docs/hazards.md` has
 *   all of it), so this is opted into, for all pods or for one. Where `MeshAccelerator.fionreadCounts` is `'stack'`,
 *   nginx and what is built on it hang.
 */
export type Acceleration = 'off' | 'proxies' | 'full';

/** A pod's own choice: a scope, or `'inherit'` for the accelerator's. */
export type PodAcceleration = Acceleration | 'inherit';

/** The scope where neither the caller nor a pinned mesh says one. @internal */
export const DEFAULT_ACCELERATION: Acceleration = 'proxies';

const SCOPES: readonly unknown[] = ['off', 'proxies', 'full'] satisfies readonly Acceleration[];

/** What a pod may choose. @internal */
export const POD_ACCELERATIONS: readonly unknown[] = [...SCOPES, 'inherit'];

/**
 * Checks a scope that comes from outside.
 *
 * @internal
 * @param value - anything
 * @param name - how to call it in the message
 * @throws TypeError if it is not one of the three
 */
export function assertAcceleration(value: unknown, name: string): asserts value is Acceleration {
  if (!SCOPES.includes(value)) throw new TypeError(`${name} must be 'off', 'proxies' or 'full', not '${shown(value)}'`);
}

/**
 * Whether a pod may choose this.
 *
 * @internal
 * @param value - anything
 */
export function isPodAcceleration(value: unknown): value is PodAcceleration {
  return POD_ACCELERATIONS.includes(value);
}
