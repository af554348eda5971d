import { resolve } from 'node:path';
import type { Pod } from './pod';
import { type Service, startService } from './service';
import { APPLICATION_UID } from './web-server';

const app = (name: string): string => resolve(__dirname, 'apps', name);

/** The program that dials, see its first lines. */
export const DIAL = app('dial.py');

/** What `apps/listen.py` says of a connection: who it is, and what the accepted socket answers. */
export interface Answered {
  /** The listener's: that of its pod. */
  readonly name: string;
  readonly port: number;
  /** getpeername and getsockname. */
  readonly client: string;
  readonly local: string;
  /** SO_ORIGINAL_DST, or the error's text. */
  readonly original: string;
}

/** What `apps/dial.py` reports of one destination. */
export interface Dialled {
  /** getpeername and getsockname of the dialling socket. */
  readonly peer?: string;
  readonly local?: string;
  /** What the one who accepted said of it. */
  readonly answer?: Answered | null;
  readonly error?: string;
}

/** Users that a program runs as. */
export interface Who {
  readonly uid?: number;
  readonly gid?: number;
}

/** Dials every destination, `[source=]host:port`, one after the other. */
export async function dial(pod: Pod, destinations: readonly string[], who: Who = {}): Promise<Dialled[]> {
  const { uid = APPLICATION_UID, gid = uid } = who;
  const run = await pod.run('python3', [DIAL, ...destinations], {
    uid,
    gid,
    timeoutMs: 20_000 + 5000 * destinations.length,
  });
  const lines = run.stdout.trimEnd().split('\n');
  if (run.code !== 0 || lines.length !== destinations.length)
    throw new Error(`dial.py in pod ${pod.name} failed (${run.code ?? run.signal}): ${run.stderr}`);
  return lines.map(line => JSON.parse(line) as Dialled);
}

/** Listens on ports and tells every client who it reached. */
export function startListener(pod: Pod, ports: readonly number[], uid: number, host = '0.0.0.0'): Promise<Service> {
  return startService(pod, {
    name: `listen-${ports.join('-')}`,
    command: 'python3',
    args: [app('listen.py'), '--host', host, '--name', pod.name, ...ports.map(String)],
    uid,
    ports,
  });
}
