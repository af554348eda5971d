/**
 * The programs of `apps/programs/` that have to be compiled: once for a clone, as long as neither they nor their
 * compiler change.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execFileSync } from '../children';
import { SYSTEM_PATH } from '../shell';

const CACHE = resolve(__dirname, '..', '..', '..', '.cache');
export const APPS = resolve(__dirname, '..', 'apps', 'programs');

const env = {
  // Go's own installer puts it where no PATH names it; Debian's stands before it.
  PATH: `${SYSTEM_PATH}:/usr/local/go/bin`,
  LC_ALL: 'C',
  GOCACHE: join(CACHE, 'go-build'),
  GOPATH: join(CACHE, 'go'),
  GOTOOLCHAIN: 'local',
  CGO_ENABLED: '0',
};

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { cwd: APPS, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** A folder of the cache with what `compile` puts there. */
function compiled(
  name: string,
  sources: readonly string[],
  version: string,
  compile: (folder: string) => void,
): string {
  const key = createHash('sha256').update(version);
  for (const source of sources) key.update(readFileSync(join(APPS, source)));
  const folder = join(CACHE, 'programs', `${name}-${key.digest('hex').slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(join(CACHE, 'programs'), { recursive: true });
  const temporary = mkdtempSync(join(CACHE, 'programs', '.compiling-'));
  try {
    compile(temporary);
    // At once: a test beside this one finds all or nothing. It may have been faster.
    if (!existsSync(folder)) renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return folder;
}

/** A folder with the binary `nethttp`. */
export function compiledGo(): string {
  return compiled('go', ['nethttp.go'], run('go', ['version']), folder =>
    run('go', ['build', '-trimpath', '-o', join(folder, 'nethttp'), 'nethttp.go']),
  );
}

/** A folder with the classes of `java/`. */
export function compiledJava(): string {
  const sources = readdirSync(join(APPS, 'java'))
    .sort()
    .map(name => join('java', name));
  return compiled('java', sources, run('javac', ['-version']), folder => run('javac', ['-d', folder, ...sources]));
}
