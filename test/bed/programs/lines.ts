import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Pod } from '../pod';
import { createFile } from '../service';
import { APPLICATION_UID } from '../web-server';

let serial = 0;

/** A client that answers each line of its standard input by a line. */
export class LineClient {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #errors: string;

  constructor(pod: Pod, [command, ...args]: readonly [string, ...string[]]) {
    this.#errors = createFile(pod, `${pod.name}-client-${++serial}.err`, APPLICATION_UID);
    const errors = openSync(this.#errors, 'a');
    this.#child = pod.spawn(command, args, { uid: APPLICATION_UID, stdio: ['pipe', 'pipe', errors] });
    closeSync(errors);
    this.#child.stdin!.on('error', () => undefined); // one that has ended answers nothing, and that is told below
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** The answer to a line; undefined if there is none within the time. */
  async ask(line: string, limitMs: number): Promise<string | undefined> {
    this.#child.stdin!.write(`${line}\n`);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>(resolve => {
      timer = setTimeout(resolve, limitMs, undefined);
    });
    try {
      const answer = await Promise.race([this.#answers.next(), late]);
      if (answer?.done) throw new Error(`a client ended: ${readFileSync(this.#errors, 'utf8').trim().slice(-500)}`);
      return answer?.value;
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
