import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { ownedDirectory } from '../bed/owned';
import { BOUND, spawn } from '../bed/children';
import { SYSTEM_PATH } from '../bed/shell';
import { type AgentImage, imageCommand, imageEnvironment } from './agent-image';
import type { ApiServer } from './server';
import { until } from './until';

/** How an agent is run. */
export interface AgentOptions {
  readonly image: AgentImage;
  readonly server: Pick<ApiServer, 'url' | 'ca'>;
  /** Its bearer token. */
  readonly token: string;
  readonly node: string;
  readonly cgroup: string;
  readonly pinDirectory: string;
  /** What it is started by, such as setpriv with its arguments. Default: nothing, so it is as root as the test is. */
  readonly by?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another program of the image than the agent. */
  readonly command?: readonly string[];
}

/** What a page said. */
export interface Page {
  readonly status: number;
  readonly text: string;
}

/** The example's agent in a process of its own, started as its image starts it. Killed with this process. */
export class AgentProcess implements AsyncDisposable {
  readonly process: ChildProcess;
  /** All that it printed. */
  output = '';
  readonly #folder: string;
  readonly #ended: Promise<void>;

  constructor({
    image,
    server,
    token,
    node,
    cgroup,
    pinDirectory,
    by = [],
    env = {},
    command = imageCommand(),
  }: AgentOptions) {
    this.#folder = ownedDirectory('account');
    chmodSync(this.#folder, 0o755); // another user may have to read it
    mkdirSync(join(this.#folder, 'account'));
    writeFileSync(join(this.#folder, 'account', 'ca.crt'), server.ca);
    writeFileSync(join(this.#folder, 'account', 'token'), token);
    const { hostname, port } = new URL(server.url);
    const [program, ...args] = command;
    // Once more, last of all: another user id takes it back.
    const [first, ...rest] = [...by, ...BOUND, program === 'node' ? process.execPath : program!, ...args];
    this.process = spawn(first!, rest, {
      cwd: image.path,
      env: {
        PATH: SYSTEM_PATH,
        ...imageEnvironment(),
        NODE_NAME: node,
        CGROUP: cgroup,
        PIN_DIRECTORY: pinDirectory,
        PORT: '0',
        SERVICE_ACCOUNT: join(this.#folder, 'account'),
        KUBERNETES_SERVICE_HOST: hostname,
        KUBERNETES_SERVICE_PORT: port,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.process.stdout!, this.process.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    this.#ended = new Promise(resolve => {
      this.process.once('error', () => resolve()).once('close', () => resolve());
    });
  }

  /** Waits until it has printed something like this; fails with all that it printed if it ends before. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    await until(`${pattern} from the agent`, () => pattern.test(this.output) || this.#over).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.output}`);
    });
    const found = pattern.exec(this.output);
    if (found === null) throw new Error(`the agent ended without ${pattern}\n${this.output}`);
    return found;
  }

  /** Gets one of its pages. */
  async page(path: string): Promise<Page> {
    const [, port] = await this.printed(/listening on port (\d+)/);
    return new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path, agent: false }, response => {
        let text = '';
        response
          .setEncoding('utf8')
          .on('data', (part: string) => {
            text += part;
          })
          .once('end', () => resolve({ status: response.statusCode ?? 0, text }));
      }).once('error', reject);
    });
  }

  /** Sends a signal, or none, and waits for the end. Returns its exit code, null if the signal was it. */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined && !this.#over) this.process.kill(signal);
    await this.#ended;
    return this.process.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #over(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }
}
