import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { DIAL, type Dialled, type Who } from './dial';
import type { Pod } from './pod';
import { APPLICATION_UID } from './web-server';

/**
 * A process of a pod that dials whatever it is told, one destination after the other.
 *
 * For tests with many cases: {@link dial} starts a process each time.
 */
export class Dialler implements Disposable {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  #stderr = '';

  /** Starts it as a user, the application if none is given. */
  constructor(
    readonly pod: Pod,
    { uid = APPLICATION_UID, gid = uid }: Who = {},
  ) {
    this.#child = pod.spawn('python3', [DIAL], { uid, gid, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.unref();
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#child.stdin?.on('error', () => undefined); // the end says it, too
    this.#child.once('close', code => {
      for (const { reject } of this.#waiting.splice(0))
        reject(new Error(`dial.py in pod ${pod.name} ended (${code}): ${this.#stderr}`));
    });
    createInterface(this.#child.stdout!).on('line', line => this.#waiting.shift()?.resolve(line));
  }

  /** Dials them in their order; destinations are `[source=]host:port`. */
  async dial(destinations: readonly string[]): Promise<Dialled[]> {
    const lines = destinations.map(
      () =>
        new Promise<string>((resolve, reject) => {
          this.#waiting.push({ resolve, reject });
        }),
    );
    this.#child.stdin?.write(destinations.map(destination => `${destination}\n`).join(''));
    return (await Promise.all(lines)).map(line => JSON.parse(line) as Dialled);
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}
