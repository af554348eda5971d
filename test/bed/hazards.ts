import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { spawn } from './children';
import type { Pod } from './pod';
import { patienceFor } from './slowness';
import { APPLICATION_UID } from './web-server';

const app = resolve(__dirname, 'apps', 'hazards.py');

/** What a system call answered. */
export type Answer<T> = { readonly value: T } | { readonly error: string };

/** The operations of `apps/hazards.py`: what each is given and what it answers. */
interface Operations {
  send: (text: string, ...flags: Flag[]) => number;
  fill: (limit: number) => number;
  recv: (length: number, ...flags: Flag[]) => string;
  truncate: (length: number, buffer: boolean) => { readonly taken: number; readonly memory: string | null };
  low_water: (length: number) => null;
  peek_offset: (offset: number) => null;
  ask_left: () => null;
  ask_time: () => null;
  recv_told: (length: number) => { readonly text: string; readonly left: number | null; readonly time: boolean };
  half_close_and_recv: (length: number) => string;
  half_close_under_recv: (length: number) => Answer<string>;
  drain: (length: number) => number;
  splice: (length: number, ...flags: Flag[]) => string;
  arrived: (length: number) => string;
  readable: (milliseconds: number) => boolean;
  urgent: (milliseconds: number) => boolean;
  fionread: () => number;
  charged: () => number;
  buffers: (size: number) => null;
  traffic: () => { readonly sent: number; readonly received: number };
  allow_zerocopy: () => null;
  completed: (milliseconds: number) => boolean;
  upper_layer: (name: string) => null;
  shutdown: () => null;
  close: () => null;
}

type Flag = 'dontwait' | 'peek' | 'waitall' | 'oob' | 'zerocopy' | 'nosignal';

/** Longer than any call takes that ends at all, on a machine under load. */
const PATIENCE_MS = 20_000;

/** One socket of a Python program in a pod, operated one system call at a time. */
export class RemoteSocket implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number | string, (answer: Answer<never>) => void>();
  /** When the connection stands, or could not be made. */
  readonly connected: Promise<Answer<null>>;
  /** When a listener listens. */
  readonly ready: Promise<Answer<null>>;
  #calls = 0;

  private constructor(program: ChildProcess) {
    this.#process = program;
    this.#process.stdin!.on('error', () => {}); // the program has ended: then its answers do not come, which says more
    this.connected = this.#answer('connected');
    this.ready = this.#answer('ready');
    createInterface({ input: this.#process.stdout! }).on('line', line => {
      const [number, answer] = JSON.parse(line) as [number | string, Answer<never>];
      this.#waiting.get(number)?.(answer);
    });
  }

  /** Dials. See {@link connected}. */
  static dial(pod: Pod, host: string, port: number, ...options: 'mptcp'[]): RemoteSocket {
    return new RemoteSocket(inPod(pod, ['connect', host, `${port}`, ...options]));
  }

  /** Listens, and becomes the first connection that comes. */
  static async listen(pod: Pod, port: number, ...options: 'mptcp'[]): Promise<RemoteSocket> {
    const socket = new RemoteSocket(inPod(pod, ['listen', `${port}`, ...options]));
    await within(socket.ready, `listening on port ${port} in pod ${pod.name}`);
    return socket;
  }

  /** Operates a connection of this process, which keeps it, too. */
  static adopt(fd: number): RemoteSocket {
    return new RemoteSocket(spawn('python3', [app, 'adopt', '3'], { stdio: ['pipe', 'pipe', 'inherit', fd] }));
  }

  /** Makes a system call and waits for its answer, good or bad. */
  async call<N extends keyof Operations>(
    name: N,
    ...args: Parameters<Operations[N]>
  ): Promise<Answer<ReturnType<Operations[N]>>> {
    return within(this.start(name, ...args), name);
  }

  /** The same for a call that must succeed. */
  async get<N extends keyof Operations>(
    name: N,
    ...args: Parameters<Operations[N]>
  ): Promise<ReturnType<Operations[N]>> {
    const answer = await this.call(name, ...args);
    if ('error' in answer) throw new Error(`${name}(${args.join(', ')}) answered ${answer.error}`);
    return answer.value;
  }

  /** Makes a system call that may block for ever. */
  start<N extends keyof Operations>(
    name: N,
    ...args: Parameters<Operations[N]>
  ): Promise<Answer<ReturnType<Operations[N]>>> {
    const number = ++this.#calls;
    const answer = this.#answer<ReturnType<Operations[N]>>(number);
    this.#process.stdin!.write(`${JSON.stringify([number, name, ...args])}\n`);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  #answer<T>(number: number | string): Promise<Answer<T>> {
    return new Promise(done => this.#waiting.set(number, done));
  }
}

function inPod(pod: Pod, args: readonly string[]): ChildProcess {
  return pod.spawn('python3', [app, ...args], { uid: APPLICATION_UID, stdio: ['pipe', 'pipe', 'inherit'] });
}

/** Both ends of a connection between two programs. */
export interface Ends extends AsyncDisposable {
  readonly client: RemoteSocket;
  readonly server: RemoteSocket;
}

/** Connects a program in one pod with a program in another, or in the same one. */
export async function connectEnds(
  from: Pod,
  to: Pod,
  host: string,
  port: number,
  ...options: 'mptcp'[]
): Promise<Ends> {
  const server = await RemoteSocket.listen(to, port, ...options);
  const client = RemoteSocket.dial(from, host, port, ...options);
  const ends = {
    client,
    server,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
  try {
    for (const socket of [client, server]) {
      const answer = await within(socket.connected, `the connection to ${host}:${port}`);
      if ('error' in answer) throw new Error(`no connection to ${host}:${port}: ${answer.error}`);
    }
    return ends;
  } catch (error) {
    await ends[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether a promise is still open after a while, a longer one on a slow machine: for calls that never return. */
export async function isOpenAfter(milliseconds: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<true>(done => {
    timer = setTimeout(done, patienceFor(milliseconds), true);
  });
  const open = await Promise.race([promise.then(() => false), late]);
  clearTimeout(timer);
  return open;
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  if (await isOpenAfter(PATIENCE_MS, promise)) throw new Error(`${what}: no answer in ${patienceFor(PATIENCE_MS)} ms`);
  return promise;
}
