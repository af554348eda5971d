import { resolve } from 'node:path';

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
