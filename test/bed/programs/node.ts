import { join } from 'node:path';
import { bodyServer } from './body-server';
import type { ClientProgram } from './program';

export const node = bodyServer('Node.js', 8005, 'node-server', ({ apps }) => [
  process.execPath,
  join(apps, 'node_server.mjs'),
]);

export const nodeClient: ClientProgram = {
  name: 'Node.js',
  command: ({ apps }) => [process.execPath, join(apps, 'node_client.mjs')],
};
