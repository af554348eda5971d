import { resolve } from 'node:path';
import { shown } from '../errors';

/**
 * Tells whether a value is an object such as options: neither null nor an array.
 *
 * @internal
 * @param value - any value
 * @returns whether it is
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Refuses unknown members, because a mistyped one would be ignored silently.
 *
 * @internal
 * @param members - the object, with or without its known members
 * @param where - name of the object for the error message
 * @param names - a noun for the members in the error message, and the known members that `members` still contains
 * @throws TypeError if there is an unknown member; the message names the first one
 */
export function refuseUnknown(
  members: object,
  where: string,
  { noun = 'option', known = [] }: { readonly noun?: string; readonly known?: readonly string[] } = {},
): void {
  const extra = Object.keys(members).find(name => !known.includes(name));
  if (extra !== undefined) throw new TypeError(`${where}: unknown ${noun} '${shown(extra)}'`);
}

/**
 * Checks that a value is an integer in a range.
 *
 * @internal
 * @param value - any value
 * @param min - least valid value
 * @param max - greatest valid value
 * @param name - its name for the error message
 * @throws RangeError if it is not, whatever its type
 */
export function assertInteger(value: unknown, min: number, max: number, name: string): asserts value is number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
    throw new RangeError(`${name} must be an integer from ${min} to ${max}, not ${shown(value)}`);
}

/**
 * Checks that a value is a number in a range. It may have a fraction.
 *
 * @internal
 * @param value - any value
 * @param min - least valid value
 * @param max - greatest valid value
 * @param name - its name for the error message
 * @throws RangeError if it is not, whatever its type
 */
export function assertNumber(value: unknown, min: number, max: number, name: string): asserts value is number {
  if (typeof value !== 'number' || !(value >= min && value <= max))
    throw new RangeError(`${name} must be from ${min} to ${max}, not ${shown(value)}`);
}

/**
 * Checks the path of a pin directory and normalizes it. Without that, a symbolic link with a trailing slash would be
 * followed instead of refused.
 *
 * @internal
 * @param path - any value
 * @param who - name of the caller for the error message
 * @returns the path without a trailing slash
 * @throws TypeError if it is not an absolute path
 */
export function resolvePinDirectory(path: unknown, who: string): string {
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw new TypeError(`${who}: pinDirectory must be an absolute path`);
  return resolve(path);
}
