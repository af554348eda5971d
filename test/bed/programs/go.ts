import { join } from 'node:path';
import { bodyServer } from './body-server';
import type { ClientProgram } from './program';

export const go = bodyServer('Go', 8006, 'go-server', ({ apps }) => [join(apps, 'nethttp'), 'serve']);

export const goClient: ClientProgram = { name: 'Go', command: ({ apps }) => [join(apps, 'nethttp'), 'transfer'] };
