import { resolve } from 'node:path';

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
