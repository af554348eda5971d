import { chmodSync, cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ownedDirectory } from '../owned';
import { type Body, writeBody } from './bodies';
import { APPS, compiledGo, compiledJava } from './compiled';
import type { Site } from './program';

/** A site with its bodies. It is for several beds, and goes with {@link Prepared.remove}, or when this process ends. */
export interface Prepared extends Site {
  readonly files: readonly Body[];
  remove(): void;
}

/**
 * Copies and compiles all programs and writes bodies of these lengths: beside the beds, whose file system may be small
 * and forbid programs.
 */
export function prepareSite(lengths: readonly number[]): Prepared {
  const root = ownedDirectory('programs');
  const folder = (name: string): string => {
    const path = join(root, name);
    mkdirSync(path);
    return path;
  };
  const site = { apps: join(root, 'apps'), bodies: folder('bodies'), scratch: folder('scratch') };
  for (const from of [APPS, compiledGo(), compiledJava()]) cpSync(from, site.apps, { recursive: true });
  for (const path of [root, ...Object.values(site)]) chmodSync(path, 0o755);
  return {
    ...site,
    files: lengths.map(bytes => writeBody(site.bodies, bytes)),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
