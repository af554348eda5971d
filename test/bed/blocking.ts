import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import type { Pod } from './pod';
import { podProgram } from './pod-program';
import { type Service, startService } from './service';
import { type Outcomes, tally, tallyOf } from './tally';
import { APPLICATION_UID } from './web-server';

const app = resolve(__dirname, 'apps', 'blocking.py');
const PORT = 9100;
const WRITERS_PORT = 9200;

/** What a client of `apps/blocking.py` does; see its first lines. */
export type BlockingCase =
  'upload' | 'put' | 'half' | 'pieces' | 'unread' | 'patient' | 'flooded' | 'first' | 'late' | 'handed';

/** Starts the server for {@link blocking}. */
export function startBlockingServer(pod: Pod): Promise<Service> {
  return startService(pod, {
    name: 'blocking',
    command: 'python3',
    args: [app, 'serve', `${PORT}`],
    uid: APPLICATION_UID,
    ports: [PORT, PORT + 1],
  });
}

/**
 * One connection after the other, each with as many bytes or with a random number of them. `{ ok: count }` if all went
 * well.
 */
export async function blocking(
  from: Pod,
  host: string,
  what: BlockingCase,
  count: number,
  bytes: number | readonly [least: number, most: number],
  timeoutMs = 120_000,
): Promise<Outcomes> {
  const [least, most] = typeof bytes === 'number' ? [bytes, bytes] : bytes;
  const seed = Number(process.env['MERBRIDGE_SEED'] ?? randomInt(2 ** 31));
  const args = [app, what, host, PORT, count, least, most, seed].map(String);
  return tallyOf(await from.run('python3', args, { uid: APPLICATION_UID, timeoutMs }));
}

/** What `apps/writers.c` does: four threads, or four processes that were given the socket, write to it. */
export class Writers {
  private constructor(
    private readonly program: string,
    private readonly server: Service,
  ) {}

  /** Compiles the program, and starts a server that stops for a while in the middle of each connection. */
  static async start(pod: Pod, stallMs: number): Promise<Writers> {
    const program = podProgram(pod, 'writers', [resolve(__dirname, 'apps', 'writers.c')]);
    const server = await startService(pod, {
      name: 'writers',
      command: program,
      args: ['serve', `${WRITERS_PORT}`, `${stallMs}`],
      uid: APPLICATION_UID,
      ports: [WRITERS_PORT],
    });
    return new Writers(program, server);
  }

  /** Each writer sends so many bytes, and pauses now and then. */
  async run(
    from: Pod,
    host: string,
    writers: 'threads' | 'processes',
    count: number,
    bytesEach: number,
    pauseUs: number,
  ): Promise<Outcomes> {
    const lines: string[] = [];
    for (let i = 0; i < count; i++) {
      const args = [writers, host, WRITERS_PORT, bytesEach, pauseUs].map(String);
      const run = await from.run(this.program, args, { uid: APPLICATION_UID, timeoutMs: 60_000 });
      const said = `${run.stdout}${run.stderr}`.trim().replaceAll('\n', '; ');
      if (said === `${4 * bytesEach} wrong 0`) lines.push('ok');
      else lines.push(`${said || `ended by ${run.code ?? run.signal}`}${this.server.output()}`);
    }
    return tally(lines);
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}
