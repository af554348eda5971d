import { resolve } from 'node:path';
import { shown } from '../errors';

/**
 * Whether something is an object with members, as options are: not null, and not a list.
 *
 * @internal
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Refuses members that do not exist: one with a typo would be ignored silently.
 *
 * @internal
 * @param members - the object; or what is left of it when every known member is taken out
 * @param where - whose members they are, for the message
 * @param names - what a member is called, and those that are known and still in the object
 * @throws TypeError with the name of the first unknown one
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
 * Refuses what is not an integer in a range.
 *
 * @internal
 * @param value - anything
 * @param min - the least that is allowed
 * @param max - the most that is allowed
 * @param name - how to call it in the message
 * @throws RangeError for anything else, whatever its type
 */
export function assertInteger(value: unknown, min: number, max: number, name: string): asserts value is number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
    throw new RangeError(`${name} must be an integer from ${min} to ${max}, not ${shown(value)}`);
}

/**
 * Refuses what is not a number in a range; fractions are allowed.
 *
 * @internal
 * @param value - anything
 * @param min - the least that is allowed
 * @param max - the most that is allowed
 * @param name - how to call it in the message
 * @throws RangeError for anything else, whatever its type
 */
export function assertNumber(value: unknown, min: number, max: number, name: string): asserts value is number {
  if (typeof value !== 'number' || !(value >= min && value <= max))
    throw new RangeError(`${name} must be from ${min} to ${max}, not ${shown(value)}`);
}

/**
 * Checks the path of a pin directory and normalizes it: a symbolic link with a slash behind it would be followed
 * instead of refused.
 *
 * @internal
 * @param path - anything
 * @param who - what asks for it, for the message
 * @throws TypeError if it is not an absolute path
 */
export function resolvePinDirectory(path: unknown, who: string): string {
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw new TypeError(`${who}: pinDirectory must be an absolute path`);
  return resolve(path);
}
