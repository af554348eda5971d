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
 * @param members - the object that a caller passed, with or without its known members
 * @param where - name of the object for the error message
 * @param names - a noun for the members in the error message, and the known members that `members` still contains
 * @throws TypeError if it is not an object, or there is an unknown member; the message names the first one
 */
export function refuseUnknown(
  members: object,
  where: string,
  { noun = 'option', known = [] }: { readonly noun?: string; readonly known?: readonly string[] } = {},
): void {
  if (!isRecord(members)) throw new TypeError(`${where}: ${noun}s must be an object, not ${shown(members)}`);
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
 * @throws TypeError if it is not a number
 * @throws RangeError if it is not an integer from `min` to `max`
 */
export function assertInteger(value: unknown, min: number, max: number, name: string): asserts value is number {
  const message = `${name} must be an integer from ${min} to ${max}, not ${shown(value)}`;
  if (typeof value !== 'number') throw new TypeError(message);
  if (!Number.isInteger(value) || value < min || value > max) throw new RangeError(message);
}

/**
 * Checks that a value is a number in a range. It may have a fraction.
 *
 * @internal
 * @param value - any value
 * @param min - least valid value
 * @param max - greatest valid value
 * @param name - its name for the error message
 * @throws TypeError if it is not a number
 * @throws RangeError if it is not from `min` to `max`
 */
export function assertNumber(value: unknown, min: number, max: number, name: string): asserts value is number {
  const message = `${name} must be from ${min} to ${max}, not ${shown(value)}`;
  if (typeof value !== 'number') throw new TypeError(message);
  if (!(value >= min && value <= max)) throw new RangeError(message);
}
