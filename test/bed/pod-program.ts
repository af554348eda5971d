import { chmodSync, copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { scratch } from '../fixtures/compile';
import { execFileSync } from './children';
import type { Pod } from './pod';

/** A program in C, compiled once for this process, where every user of a pod may run it. */
export function podProgram(pod: Pod, name: string, sources: readonly string[]): string {
  const compiled = join(scratch(), name);
  if (!existsSync(compiled))
    execFileSync('clang', ['-O2', '-Wall', '-Werror', '-pthread', '-o', compiled, ...sources, '-lm']);
  const path = join(pod.directory, name);
  if (!existsSync(path)) {
    copyFileSync(compiled, path);
    chmodSync(path, 0o755);
  }
  return path;
}
