import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Pod } from './pod';
import { until } from './shell';

const PROGRAMS = resolve(__dirname, 'apps', 'hostile');

/** What a hostile process is allowed to do. */
export type Privilege =
  /** Nothing beyond its user: a plain process of the pod. */
  | 'none'
  /** CAP_NET_RAW in the pod's network namespace: what container runtimes grant by default. */
  | 'netRaw'
  /** CAP_NET_ADMIN in the pod's network namespace. */
  | 'netAdmin'
  /** Nothing in the pod, but a user and a network namespace of its own inside (`unshare -Urn`). */
  | 'ownNamespace';

/** Where a hostile process runs, and as whom. */
export interface Foothold {
  readonly pod: Pod;
  /** User and group, as the node sees them. */
  readonly uid: number;
  readonly privilege: Privilege;
}

/** A program of `apps/hostile/` that runs. It prints one line when it is ready and one at its end. */
export class HostileProcess<Result> implements Disposable {
  readonly #lines: AsyncIterator<string>;
  readonly #closed: Promise<unknown>;
  #stderr = '';

  private constructor(
    readonly program: string,
    private readonly child: ChildProcess,
  ) {
    child.stdin?.on('error', () => undefined); // its end says more
    this.#closed = once(child, 'close');
    this.#closed.catch(() => undefined); // if it does not start, its output ends as well
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  /** Starts it and waits for its first line. */
  static async start<Ready, Result>(
    foothold: Foothold,
    program: 'steal' | 'forge' | 'predict',
    args: readonly string[],
  ): Promise<{ readonly process: HostileProcess<Result>; readonly ready: Ready }> {
    const process = new HostileProcess<Result>(program, spawnHostile(foothold, program, args));
    try {
      return { process, ready: (await process.#next()) as Ready };
    } catch (error) {
      process[Symbol.dispose]();
      throw error;
    }
  }

  /** Tells it to end and returns what it found. */
  async end(): Promise<Result> {
    this.child.stdin!.end();
    return this.finished();
  }

  /** Waits until it ends by itself. */
  async finished(): Promise<Result> {
    const result = (await this.#next()) as Result;
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return result;
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }

  async #next(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) {
      await this.#closed; // its last words may come after the end of its output
      const { exitCode, signalCode } = this.child;
      throw new Error(`${this.program}.py ended without a word (${signalCode ?? exitCode}): ${this.#stderr}`);
    }
    return JSON.parse(value);
  }
}

function spawnHostile({ pod, uid, privilege }: Foothold, program: string, args: readonly string[]): ChildProcess {
  const command = ['python3', '-B', join(copyPrograms(pod), `${program}.py`), ...args];
  const options = { stdio: ['pipe', 'pipe', 'pipe'] as 'pipe'[] };
  if (privilege === 'none') return pod.spawn(command[0]!, command.slice(1), { uid, ...options });
  if (privilege === 'ownNamespace')
    return pod.spawn('unshare', ['--user', '--map-root-user', '--net', '--', ...command], { uid, ...options });
  const list = `-all,+${privilege === 'netAdmin' ? 'net_admin' : 'net_raw'}`;
  return pod.spawn(
    'setpriv',
    [
      '--reuid',
      `${uid}`,
      '--regid',
      `${uid}`,
      '--clear-groups',
      '--inh-caps',
      list,
      '--ambient-caps',
      list,
      '--bounding-set',
      list,
      '--',
      ...command,
    ],
    options,
  );
}

/**
 * A place where every user may read them: a clone may be closed to all but root, and a user namespace has no capability
 * that reads through.
 */
function copyPrograms(pod: Pod): string {
  for (const name of readdirSync(PROGRAMS))
    if (name.endsWith('.py')) copyFileSync(join(PROGRAMS, name), join(pod.directory, name));
  return pod.directory;
}

/** What `steal.py` reports. */
export interface Claimed {
  /** Its own sockets that are established. */
  readonly established: number;
  readonly errors: Readonly<Record<string, number>>;
}

export interface Loot {
  readonly bytes: number;
  /** Secrets of others among them. */
  readonly secrets: number;
  /** The most bytes that waited in its sockets, with `hold`. */
  readonly held: number;
}

/** Connections of others that are to be claimed. */
export interface Target {
  /** Address of the one that dialled. */
  readonly source: string;
  /** `address:port` that was dialled. */
  readonly target: string;
  /** Source ports, `40001` or `32768-60999`. */
  readonly ports: readonly string[];
  /** Reads nothing. */
  readonly hold?: boolean;
  /** Binds the ports alone: a route chooses the address. */
  readonly unbound?: boolean;
}

/** Claims connections, see `apps/hostile/steal.py`. */
export function steal(
  foothold: Foothold,
  { source, target, ports, hold = false, unbound = false }: Target,
): Promise<{ readonly process: HostileProcess<Loot>; readonly ready: Claimed }> {
  return HostileProcess.start<Claimed, Loot>(foothold, 'steal', [
    ...(hold ? ['--hold'] : []),
    ...(unbound ? ['--unbound'] : []),
    source,
    target,
    ...ports,
  ]);
}

/** What `forge.py` did. */
export interface Forged {
  /** Whole ones. */
  readonly passes: number;
  readonly dials: number;
  readonly errors: Readonly<Record<string, number>>;
}

/** Dials that come to nothing. */
export interface Forgery {
  /** `repaired` is `repair` from an address of its own. */
  readonly way: 'repair' | 'repaired' | 'transparent' | 'plain';
  /** Addresses that the process has; it dials from the first one. */
  readonly sources: readonly string[];
  readonly targets: readonly string[];
  readonly ports: readonly string[];
  /** Default: until it is told to end. */
  readonly passes?: number;
}

/** Dials again and again, see `apps/hostile/forge.py`. */
export async function forge(
  foothold: Foothold,
  { way, sources, targets, ports, passes }: Forgery,
): Promise<HostileProcess<Forged>> {
  const limit = passes === undefined ? [] : ['--passes', `${passes}`];
  const { process } = await HostileProcess.start<unknown, Forged>(foothold, 'forge', [
    ...limit,
    way,
    sources.join(','),
    targets.join(','),
    ...ports,
  ]);
  return process;
}

/** Runs a command of `apps/hostile/predict.py` and returns what it prints. */
export async function predict<Result>(
  foothold: Foothold,
  command: 'learn' | 'write' | 'dial',
  args: readonly (string | number | bigint)[],
): Promise<Result> {
  const { process, ready } = await HostileProcess.start<Result, never>(foothold, 'predict', [
    command,
    ...args.map(String),
  ]);
  process[Symbol.dispose]();
  return ready;
}

type Flow = { readonly target: string; readonly ports: readonly string[] };

/**
 * Source ports of the connections that a pod has to an address, with the port that they really have there; waits for
 * the first one.
 */
export function flows(from: Pod, to: string): Promise<[Flow, ...Flow[]]> {
  return until(
    `connections of pod ${from.name} to ${to}`,
    () => {
      const ports = new Map<string, string[]>();
      for (const line of from.admin('ss', ['-tnH', 'state', 'established', 'dst', to]).split('\n').filter(Boolean)) {
        const [local = '', remote = ''] = line.trim().split(/\s+/).slice(2);
        if (local.startsWith(`${from.address}:`))
          ports.set(remote, [...(ports.get(remote) ?? []), local.slice(local.lastIndexOf(':') + 1)]);
      }
      const [first, ...more] = [...ports].map(([target, list]): Flow => ({ target, ports: list }));
      return first && ([first, ...more] as [Flow, ...Flow[]]);
    },
    5000,
  );
}
