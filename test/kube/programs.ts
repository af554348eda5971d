import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { spawn } from '../bed/children';
import { SYSTEM_PATH } from '../bed/shell';

/** etcd 3.4 refuses to start on arm64 without it. */
const ENVIRONMENT = { PATH: SYSTEM_PATH, ETCD_UNSUPPORTED_ARCH: 'arm64' };

/** A program that a test server is made of. The kernel kills it with this process, however this one ends. */
export class Program {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #log: string;

  /** Starts it; what it prints goes into a file in `directory`, which is its current directory, too. */
  constructor(
    readonly name: string,
    directory: string,
    path: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
  ) {
    this.#log = join(directory, `${name}.log`);
    const log = openSync(this.#log, 'a');
    try {
      this.#child = spawn(path, args, {
        stdio: ['ignore', log, log],
        cwd: directory,
        env: { ...ENVIRONMENT, HOME: directory, ...environment },
        detached: true, // Ctrl-C is for the test, which then ends its programs in order
      });
    } finally {
      closeSync(log);
    }
    this.#exited = new Promise(resolve => {
      this.#child.once('error', resolve).once('exit', resolve);
    });
    this.#child.unref(); // a test that forgets it ends all the same, and the program with it
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends SIGKILL, at once; also in an exit handler. */
  kill(): void {
    if (this.running) this.#child.kill('SIGKILL'); // its id cannot be another's: the zombie is ours until it is reaped
  }

  /** Kills it and waits until it is gone. */
  async end(): Promise<void> {
    this.kill();
    this.#child.ref();
    await this.#exited;
  }

  /** The end of what it printed, for an error's message. */
  tail(): string {
    const lines = readFileSync(this.#log, 'utf8').trim().split('\n').slice(-12);
    return `\n--- ${this.name} ---\n${lines.join('\n')}`;
  }
}

/** Ports of 127.0.0.1 that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map(server => once(server, 'listening')));
  const ports = servers.map(server => (server.address() as { port: number }).port);
  await Promise.all(servers.map(server => once(server.close(), 'close')));
  return ports;
}
