import { join } from 'node:path';
import { startService } from '../service';
import { APPLICATION_UID } from '../web-server';
import type { ClientProgram, ServerProgram } from './program';

const PORT = 8005;

export const node: ServerProgram = {
  name: 'Node.js',
  port: PORT,
  uploads: ['/upload'],
  start: (pod, { apps, bodies }) => startService(pod, {
    name: 'node-server', command: process.execPath, args: [join(apps, 'node_server.mjs'), `${PORT}`, bodies], uid: APPLICATION_UID,
    ports: [PORT], timeoutMs: 30_000,
  }),
};

export const nodeClient: ClientProgram = { name: 'Node.js', command: ({ apps }) => [process.execPath, join(apps, 'node_client.mjs')] };
