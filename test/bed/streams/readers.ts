import { chmodSync, copyFileSync, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { scratch } from '../../fixtures/compile';
import { execFileSync } from '../children';
import type { Pod } from '../pod';

const SOURCES = ['main', 'plan', 'ramp', 'wire', 'epoll', 'blocking'].map(name => resolve(__dirname, '..', 'apps', 'readers', `${name}.c`));

/** The program of `apps/readers`, compiled once for this process, where every user of a pod may read it. */
export function readersProgram(pod: Pod): string {
  const compiled = join(scratch(), 'readers');
  if (!existsSync(compiled)) execFileSync('clang', ['-O2', '-pthread', '-o', compiled, ...SOURCES, '-lm']);
  const path = join(pod.directory, 'readers');
  if (!existsSync(path)) {
    copyFileSync(compiled, path);
    chmodSync(path, 0o755);
  }
  return path;
}
