import { shown } from '../errors';

/**
 * Scope of acceleration, from narrow to wide.
 *
 * - `'off'`: connections are redirected to their sidecars, but all data takes the TCP stack. No socket enters a
 *   sockmap.
 * - `'proxies'`: data of connections between two sidecars of this node moves from socket to socket. Sockets of
 *   applications never behave differently. A sidecar that reads with splice(2), such as HAProxy with
 *   `option splice-request`, needs `'off'`.
 * - `'full'`: sockets of applications are accelerated, too. A socket in a sockmap differs from an ordinary one:
 *   splice(2) never sees redirected bytes, a blocking `recv` may return EAGAIN, and FIONREAD, MSG_WAITALL and
 *   MSG_ZEROCOPY differ (`docs/hazards.md` lists all differences). So this scope is opt-in, for all pods or for one. If
 *   `MeshAccelerator.fionreadCounts` is `'stack'`, nginx and servers that are built on it hang.
 */
export type Acceleration = 'off' | 'proxies' | 'full';

/** Scope of one pod: its own, or `'inherit'` for that of the accelerator. */
export type PodAcceleration = Acceleration | 'inherit';

/** The scope if neither the caller nor a pinned mesh sets one. @internal */
export const DEFAULT_ACCELERATION: Acceleration = 'proxies';

const SCOPES: readonly unknown[] = ['off', 'proxies', 'full'] satisfies readonly Acceleration[];

/** Valid scopes of one pod. @internal */
export const POD_ACCELERATIONS: readonly unknown[] = [...SCOPES, 'inherit'];

/**
 * Checks that a value is a scope.
 *
 * @internal
 * @param value - any value
 * @param name - its name for the error message
 * @throws TypeError if it is not one of the three scopes
 */
export function assertAcceleration(value: unknown, name: string): asserts value is Acceleration {
  if (!SCOPES.includes(value)) throw new TypeError(`${name} must be 'off', 'proxies' or 'full', not '${shown(value)}'`);
}

/**
 * Tells whether a value is a valid scope of one pod.
 *
 * @internal
 * @param value - any value
 * @returns whether it is
 */
export function isPodAcceleration(value: unknown): value is PodAcceleration {
  return POD_ACCELERATIONS.includes(value);
}
