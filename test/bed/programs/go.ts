import { join } from 'node:path';
import { startService } from '../service';
import { APPLICATION_UID } from '../web-server';
import type { ClientProgram, ServerProgram } from './program';

const PORT = 8006;

export const go: ServerProgram = {
  name: 'Go',
  port: PORT,
  uploads: ['/upload'],
  start: (pod, { apps, bodies }) => startService(pod, {
    name: 'go-server', command: join(apps, 'nethttp'), args: ['serve', `${PORT}`, bodies], uid: APPLICATION_UID, ports: [PORT], timeoutMs: 30_000,
  }),
};

export const goClient: ClientProgram = { name: 'Go', command: ({ apps }) => [join(apps, 'nethttp'), 'transfer'] };
