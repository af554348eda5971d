/** kubectl, as a person would type it. */
import type { ChildProcess } from 'node:child_process';
import { dirname } from 'node:path';
import { finished, spawn } from '../bed/children';
import { SYSTEM_PATH } from '../bed/shell';
import { patienceFor } from '../bed/slowness';

/** For a command that kubectl itself does not end, more than the longest `--timeout`. */
const LIMIT_MS = 180_000;

/** kubectl for one cluster. */
export class Kubectl {
  readonly #environment: NodeJS.ProcessEnv;

  constructor(
    readonly path: string,
    kubeconfig: string,
    home: string,
  ) {
    this.#environment = { PATH: `${dirname(path)}:${SYSTEM_PATH}`, KUBECONFIG: kubeconfig, HOME: home };
  }

  /** Runs it and returns what it printed. */
  run(...args: string[]): Promise<string> {
    return printed(this.spawn(args, 'ignore'), `kubectl ${args.join(' ')}`);
  }

  /** Starts it; its standard input is open if it is a pipe. */
  spawn(args: readonly string[], input: 'pipe' | 'ignore'): ChildProcess {
    return spawn(this.path, args, { env: this.#environment, stdio: [input, 'pipe', 'pipe'] });
  }

  /** Applies objects, or a text of them. */
  apply(objects: string | readonly object[]): Promise<string> {
    const child = this.spawn(['apply', '-f', '-'], 'pipe');
    child.stdin!.end(
      typeof objects === 'string' ? objects : JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    );
    return printed(child, 'kubectl apply');
  }

  /** One object, or a list of them. */
  async get<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.run('get', ...args, '-o', 'json')) as T;
  }

  /** Runs a script in a folder, with kubectl in its PATH. */
  script(text: string, cwd: string): Promise<string> {
    const child = spawn('sh', ['-euc', text], { cwd, env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'] });
    return printed(child, text);
  }
}

/** What a process printed; fails with that if it fails, or does not end in time. */
export async function printed(child: ChildProcess, what: string, limit = patienceFor(LIMIT_MS)): Promise<string> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
    // A shell's children have its pipes, and would keep them open. They end with the node.
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, limit);
  const { code, stdout, stderr } = await finished(child).finally(() => clearTimeout(timer));
  const why = isLate ? `not within ${limit} ms` : code;
  if (isLate || code !== 0) throw new Error(`${what} failed (${why}): ${stderr.trim()}\n${stdout.trim()}`);
  return stdout;
}
