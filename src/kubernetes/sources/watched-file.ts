import { constants, watch, type FSWatcher } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Backoff } from '../api/backoff';
import { PodFileError } from '../errors';
import { parsePods } from './pod-file';
import { PodSourceBase } from './pod-source-base';
import { asError } from './report';

/** Delay between the first change and reading the file, because writers need several steps. */
const SETTLE_MS = 50;

/** Invalid content is reported if it is unchanged after this time. Before, it may be half written. */
const DOUBT_MS = 250;

const MAX_BYTES = 64 * 1024 * 1024;

/**
 * The pods in a JSON file, which is watched for changes. The file contains an object whose keys are addresses:
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
 * Each value has the options of `localPodIps.set`, and optionally annotations from which rules are derived. A file that
 * is missing, half written or invalid changes nothing: the last valid state remains, and the problem is reported as a
 * {@link PodFileError} (`ERR_POD_FILE`). Until there is a valid file, the source is not synced. The directory is
 * watched, so files that are replaced by a rename and mounted ConfigMaps work. Duplicate addresses, in whatever form,
 * and other keys are invalid.
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
  /** Time at which the timer fires. */
  #due = Infinity;
  #reading: Promise<void> = Promise.resolve();
  #text: string | undefined;
  /** What is wrong with the file, since when, and whether it was reported. */
  #fault: { readonly message: string; readonly since: number; told: boolean } | undefined;

  /**
   * Creates a source that is not started.
   *
   * @param path - the file. Neither the file nor its directory has to exist yet
   */
  constructor(path: string) {
    super();
    this.path = resolve(path);
  }

  /** Reads the file again, in case the kernel did not report a change. */
  refresh(): void {
    this.#look(0);
  }

  /** Starts to watch the file. */
  protected begin(): void {
    this.#look(0);
  }

  /**
   * Stops watching.
   *
   * @returns a promise that resolves when no read is in progress
   */
  protected async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#watcher?.close();
    await this.#reading;
  }

  /**
   * Reads the file after a delay, or earlier if an earlier read is scheduled: changes of other files in the directory
   * do not postpone it.
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
      await this.#follow(); // first, so that no change after the read is missed
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

  /** Neither blocks, as opening a named pipe would, nor reads without limit. */
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
      this.#text = undefined; // a return to the last valid state is a change
      this.report(error);
    }
    if (this.#watcher === undefined) this.#look(this.#retry.next());
  }

  /** Watches the current directory. A directory that was removed and created again is another one. */
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
