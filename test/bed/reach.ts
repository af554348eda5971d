import { statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Flags for setpriv that let an ordinary user run a program from a directory closed to it.
 *
 * The sidecar's user must be able to start an Envoy of a clone under /root, which nobody but root may enter. The one
 * capability that reads through directories, kept only in that case, does it without a copy of a big binary.
 */
export function reachFlags(paths: readonly string[]): string[] {
  return paths.some(path => path.startsWith('/') && !openToAll(path))
    ? ['--inh-caps', '+dac_read_search', '--ambient-caps', '+dac_read_search']
    : [];
}

function openToAll(path: string): boolean {
  try {
    for (let up = dirname(path); ; up = dirname(up)) {
      if ((statSync(up).mode & 0o001) === 0) return false;
      if (up === '/') return true;
    }
  } catch {
    return true; // an argument that only looks like a path
  }
}
