import { resolve } from 'node:path';
import type { Pod } from '../pod';
import { podProgram } from '../pod-program';

const SOURCES = ['main', 'plan', 'ramp', 'wire', 'epoll', 'blocking'].map(name =>
  resolve(__dirname, '..', 'apps', 'readers', `${name}.c`),
);

/** The program of `apps/readers`, for a pod. */
export function readersProgram(pod: Pod): string {
  return podProgram(pod, 'readers', SOURCES);
}
