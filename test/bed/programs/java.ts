import { bodyServer } from './body-server';
import type { ClientProgram } from './program';

/** Three of them run beside each other on a small machine. */
const FLAGS = ['-Xmx256m', '-XX:+UseSerialGC'];

export const java = bodyServer(
  'Java',
  8007,
  'java-server',
  ({ apps }) => ['java', ...FLAGS, '-cp', apps, 'Server'],
  60_000,
);

const client = (name: string, main: string): ClientProgram => ({
  name,
  command: ({ apps }) => ['java', ...FLAGS, '-cp', apps, main],
});

/** A selector, and sockets that do not block. */
export const javaHttpClient = client('Java HttpClient', 'HttpClientTransfers');
/** Blocking sockets. */
export const javaUrlConnection = client('HttpURLConnection', 'UrlConnectionTransfers');
