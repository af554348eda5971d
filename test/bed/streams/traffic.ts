import { resolve } from 'node:path';
import { type Service, startService } from '../service';
import { APPLICATION_UID } from '../web-server';
import type { Ground } from './ground';
import { readersProgram } from './readers';
import { type BadStream, Tally, distinct } from './tally';

const app = (name: string): string => resolve(__dirname, '..', 'apps', 'soak', `${name}.mjs`);
const PORT = 9000;
const PORTS = [0, 1, 2, 3].map(offset => PORT + offset);
const READERS_PORT = PORT + 4;

/** Which streams a client makes; `apps/soak/client.mjs` and `plan.mjs` say what each family and option is. */
export interface TrafficOptions {
  readonly family: string;
  readonly parallel: number;
  readonly count?: number;
  readonly seconds?: number;
  /** Number of the first stream (default 0). */
  readonly first?: number;
  readonly doomed?: boolean;
  readonly dieAfterMs?: number;
  readonly untilDamage?: boolean;
  /** Size of a download. */
  readonly bytes?: number;
}

interface Served {
  readonly orphans: number;
  readonly oneway: number;
  readonly again?: number;
  readonly crossed?: number;
  readonly bad: number;
}

/** What a client says of the streams that it made. */
export interface Sent {
  readonly streams: number;
  readonly oneway: number;
  readonly refused: number;
  /** Reads of threads that the kernel woke for nothing, and that had to be repeated. */
  readonly again?: number;
  readonly bad: readonly BadStream[];
}

/** Which streams the program of `apps/readers` makes; `plan.c` there says what each family is. */
export interface ReadersOptions {
  readonly family: 'readers' | 'lifetime' | 'blocking' | 'crossing';
  readonly parallel: number;
  readonly count?: number;
  readonly seconds?: number;
  readonly first?: number;
  readonly untilDamage?: boolean;
  readonly timeoutMs?: number;
}

/** Counts the servers of all the grounds of this process, for their names. */
let serial = 0;

/** A server with its clients. What both ends have seen is put together by {@link Traffic.finish}. */
export class Traffic {
  readonly #sent: Sent[] = [];
  #readers: Promise<Service> | undefined;

  private constructor(
    readonly ground: Ground,
    readonly seed: number,
    readonly limitMs: number,
    readonly server: Service,
  ) {}

  /** `limitMs`: a stream on which nothing moves for so long has hung. */
  static async start(ground: Ground, seed: number, limitMs: number): Promise<Traffic> {
    const server = await startService(ground.server, {
      name: `soak-${++serial}`,
      command: process.execPath,
      args: [app('server'), '--port', `${PORT}`, '--limit', `${limitMs}`],
      uid: APPLICATION_UID,
      ports: PORTS,
      timeoutMs: 30_000,
    });
    return new Traffic(ground, seed, limitMs, server);
  }

  /** Runs a client to its end. */
  async run(options: TrafficOptions): Promise<void> {
    const {
      family,
      parallel,
      count = 1e9,
      seconds = 0,
      first = 0,
      doomed = false,
      dieAfterMs = 0,
      untilDamage = false,
      bytes = 0,
    } = options;
    const flags = {
      host: this.ground.server.address,
      port: PORT,
      family,
      seed: this.seed,
      first,
      count,
      parallel,
      seconds,
      limit: this.limitMs,
      doomed: Number(doomed),
      die: dieAfterMs,
      until: Number(untilDamage),
      bytes,
    };
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    const run = await this.ground.client.run(process.execPath, [app('client'), ...args], {
      uid: APPLICATION_UID,
      timeoutMs: 600_000,
    });
    if (dieAfterMs > 0 && run.signal === 'SIGKILL') return; // as it was told
    if (run.stdout === '')
      throw new Error(`the soak's client reported nothing (${run.code ?? run.signal}): ${run.stderr}`);
    this.#sent.push(JSON.parse(run.stdout) as Sent);
  }

  /** The same with readers that Node does not have, and a server of theirs. */
  async runReaders(options: ReadersOptions): Promise<Sent> {
    const { family, parallel, count = 1e9, seconds = 0, first = 0, untilDamage = false, timeoutMs = 600_000 } = options;
    const {
      client,
      server,
      options: { path },
    } = this.ground;
    this.#readers ??= startService(server, {
      name: `readers-${++serial}`,
      command: readersProgram(server),
      args: ['server', `${READERS_PORT}`, `${this.limitMs}`],
      uid: APPLICATION_UID,
      ports: [READERS_PORT],
    });
    await this.#readers;
    // What applications may do there and nowhere else: docs/hazards.md.
    const isPlain = path !== 'full' && path !== 'naive';
    const run = await client.run(
      readersProgram(client),
      [
        'client',
        server.address,
        `${READERS_PORT}`,
        `${this.limitMs}`,
        family,
        ...[this.seed, first, count, parallel, seconds, Number(isPlain), Number(untilDamage)].map(String),
      ],
      { uid: APPLICATION_UID, timeoutMs },
    );
    if (run.stdout === '')
      throw new Error(`the client of the readers reported nothing (${run.code ?? run.signal}): ${run.stderr}`);
    const sent = JSON.parse(run.stdout) as Sent;
    this.#sent.push(sent);
    return sent;
  }

  /** Waits until no server has a stream open, ends them, and says how all went. */
  async finish(): Promise<Tally> {
    const ended = await Promise.all([this.server, ...(this.#readers ? [await this.#readers] : [])].map(endServer));
    const reports = ended.flatMap(server => server.reports);
    const sum = (field: 'orphans' | 'oneway'): number => ended.reduce((all, { served }) => all + served[field], 0);
    const tally = new Tally();
    // A client that was killed tells nothing: its streams are those that reached the server.
    tally.streams = this.#sent.reduce((all, { streams }) => all + streams, sum('orphans'));
    tally.crossed = ended.reduce((all, { served: { crossed = 0 } }) => all + crossed, 0);
    tally.again = [...this.#sent, ...ended.map(({ served }) => served)].reduce((all, { again = 0 }) => all + again, 0);
    tally.bad.push(...distinct([...this.#sent.flatMap(({ bad }) => bad), ...reports]));
    const missing = this.#sent.reduce((all, { oneway }) => all + oneway, 0) - sum('oneway');
    // Streams that the client has sent and that did not come whole. Those of which something came were reported.
    const reported = tally.bad.filter(({ kind }) => kind.startsWith('oneway') || kind === 'header').length;
    for (let unseen = reported; unseen < missing; unseen++)
      tally.bad.push({ damage: 'lost', family: '', kind: 'oneway', role: 'server', error: 'never reached the server' });
    return tally;
  }
}

async function endServer(
  server: Service,
): Promise<{ readonly reports: readonly BadStream[]; readonly served: Served }> {
  await server.stop('SIGTERM');
  const lines = server.output().trim().split('\n');
  const reports = lines.slice(0, -1).map(line => JSON.parse(line) as BadStream);
  const served = JSON.parse(lines.at(-1)!) as Served;
  if (served.bad !== reports.length)
    throw new Error(`${server.name} printed ${reports.length} reports and counted ${served.bad}`);
  return { reports, served };
}
