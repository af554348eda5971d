import { join } from 'node:path';
import type { ClientProgram } from './program';

/** curl, a process and a connection for each request. */
export const curl: ClientProgram = {
  name: 'curl',
  command: ({ apps }) => [process.execPath, join(apps, 'curl.mjs')],
};
