import { constants, watch, type FSWatcher } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Backoff } from './backoff';
import { PodFileError } from './errors';
import { parsePods } from './pod-file';
import { PodSourceBase } from './pod-source-base';
import { asError } from './report';

/** Writers take several steps: so long after the first of them the file is read. */
const SETTLE_MS = 50;

/** What does not make sense is reported if it is the same after this time: it may be half written. */
const DOUBT_MS = 250;

const MAX_BYTES = 64 * 1024 * 1024;

/**
 * The pods in a JSON file, followed as it changes. It holds an object by address:
 *
 * ```json
 * {
 *   "10.0.0.7": {},
 *   "10.0.0.8": {
 *     "acceleration": "full",
 *     "annotations": { "traffic.sidecar.istio.io/excludeOutboundPorts": "5432" }
 *   }
 * }
 * ```
 *
 * Each value holds the options of `localPodIps.set`, and may hold annotations that rules are made of. A file that is
 * missing, half written or wrong changes nothing: the last good state stays, and the fault is reported
 * (`ERR_POD_FILE`). Before there is a good one, the source is not synced. The folder is watched, so files that are
 * renamed over and mounted ConfigMaps are seen. An address that is there twice, in whatever form, is wrong, and so is
 * any other key.
 *
 * @example
 * ```ts
 * import { WatchedFile } from 'merbridge/kubernetes';
 *
 * export const pods = new WatchedFile('/etc/merbridge/pods.json');
 * ```
 */
export class WatchedFile extends PodSourceBase {
  /** Absolute path of the file. */
  readonly path: string;
  readonly #retry = new Backoff(500, 60_000);
  #watcher: FSWatcher | undefined;
  #folder = 0n;
  #timer: NodeJS.Timeout | undefined;
  /** When that is due. */
  #due = Infinity;
  #reading: Promise<void> = Promise.resolve();
  #text: string | undefined;
  /** What is wrong with it, since when, and whether it was told. */
  #fault: { readonly message: string; readonly since: number; told: boolean } | undefined;

  /**
   * @param path - the file; it need not exist yet, nor does its folder
   */
  constructor(path: string) {
    super();
    this.path = resolve(path);
  }

  /** Reads the file again, for changes that the kernel did not report. */
  refresh(): void {
    this.#look(0);
  }

  protected begin(): void {
    this.#look(0);
  }

  protected async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#watcher?.close();
    await this.#reading;
  }

  /**
   * Reads after so many milliseconds, or earlier if that was planned: other files of the folder change, too, and put
   * nothing off.
   */
  #look(delay: number): void {
    const due = performance.now() + delay;
    if (this.closed || this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#due = Infinity;
      this.#reading = this.#reading.then(() => this.#read());
    }, delay);
  }

  async #read(): Promise<void> {
    try {
      await this.#follow(); // first, so that no change after the reading is missed
      const text = await this.#content();
      const pods = text === this.#text ? undefined : parsePods(text, this.path);
      this.#text = text;
      this.#fault = undefined;
      this.#retry.reset();
      if (pods !== undefined) this.replace(pods);
    } catch (thrown) {
      if (!this.closed)
        this.#doubt(
          thrown instanceof PodFileError
            ? thrown
            : new PodFileError(this.path, asError(thrown).message, { cause: thrown }),
        );
    }
  }

  /** Neither waits for a writer, as opening a named pipe does, nor reads without end. */
  async #content(): Promise<string> {
    const file = await open(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const found = await file.stat();
      if (!found.isFile()) throw new PodFileError(this.path, 'it is not a regular file');
      if (found.size > MAX_BYTES) throw new PodFileError(this.path, `it has more than ${MAX_BYTES} bytes`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  }

  #doubt(error: PodFileError): void {
    const { message } = error;
    const now = performance.now();
    if (this.#fault?.message !== message) this.#fault = { message, since: now, told: false };
    const fault = this.#fault;
    const left = fault.since + DOUBT_MS - now;
    if (left > 0) {
      this.#look(left);
      return;
    }
    if (!fault.told) {
      fault.told = true;
      this.#text = undefined; // a return to the last good state is a change
      this.report(error);
    }
    if (this.#watcher === undefined) this.#look(this.#retry.next());
  }

  /** Watches the folder that is there now: one that was removed and made again is another. */
  async #follow(): Promise<void> {
    const folder = dirname(this.path);
    const { ino } = await stat(folder, { bigint: true }).catch((error: unknown) => {
      this.#unfollow();
      throw error;
    });
    if (this.#watcher !== undefined && ino === this.#folder) return;
    this.#unfollow();
    if (this.closed) return;
    this.#watcher = watch(folder, { persistent: true }, () => this.#look(SETTLE_MS));
    this.#watcher.on('error', () => {
      this.#unfollow();
      this.#look(SETTLE_MS);
    });
    this.#folder = ino;
  }

  #unfollow(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
