import { startService } from '../service';
import { APPLICATION_UID } from '../web-server';
import type { ClientProgram, ServerProgram } from './program';

const PORT = 8007;
/** Three of them run beside each other on a small machine. */
const FLAGS = ['-Xmx256m', '-XX:+UseSerialGC'];

export const java: ServerProgram = {
  name: 'Java',
  port: PORT,
  uploads: ['/upload'],
  start: (pod, { apps, bodies }) => startService(pod, {
    name: 'java-server', command: 'java', args: [...FLAGS, '-cp', apps, 'Server', `${PORT}`, bodies], uid: APPLICATION_UID,
    ports: [PORT], timeoutMs: 60_000,
  }),
};

const client = (name: string, main: string): ClientProgram => ({ name, command: ({ apps }) => ['java', ...FLAGS, '-cp', apps, main] });

/** A selector, and sockets that do not block. */
export const javaHttpClient = client('Java HttpClient', 'HttpClientTransfers');
/** Blocking sockets. */
export const javaUrlConnection = client('HttpURLConnection', 'UrlConnectionTransfers');
