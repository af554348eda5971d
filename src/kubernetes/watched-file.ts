import { watch, type FSWatcher } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Backoff } from './backoff';
import { PodFileError } from './errors';
import { parsePods } from './pod-file';
import { PodSourceBase } from './pod-source-base';
import { asError } from './report';

/** Writers take several steps: so long after the last of them the file is read. */
const SETTLE_MS = 50;

/** What does not make sense is read once more after this time before it is reported: it may be half written. */
const SECOND_LOOK_MS = 250;

/**
 * The pods in a JSON file, followed as it changes. It holds an object by address:
 *
 * ```json
 * { "10.0.0.7": {}, "10.0.0.8": { "acceleration": "full", "annotations": { "traffic.sidecar.istio.io/excludeOutboundPorts": "5432" } } }
 * ```
 *
 * Each value holds the options of `localPodIps.set`, and may hold annotations that rules are made of. A file that is missing, half written or
 * wrong changes nothing: the last good state stays, and the fault is reported (`ERR_POD_FILE`). Before there is a good one, the source is not
 * synced. The folder is watched, so files that are renamed over and mounted ConfigMaps are seen.
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
  #reading: Promise<void> = Promise.resolve();
  #text: string | undefined;
  #fault = '';

  /**
   * @param path - the file; it need not exist yet, nor does its folder
   */
  constructor(path: string) {
    super();
    this.path = resolve(path);
  }

  /** Reads the file again, for changes that the kernel did not report. */
  refresh(): void {
    this.#look(0, false);
  }

  protected begin(): void {
    this.#look(0, false);
  }

  protected async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#watcher?.close();
    await this.#reading;
  }

  #look(delay: number, again: boolean): void {
    if (this.closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#reading = this.#reading.then(() => this.#read(again));
    }, delay);
  }

  async #read(again: boolean): Promise<void> {
    let text: string | undefined;
    try {
      await this.#follow(); // first, so that no change after the reading is missed
      text = await readFile(this.path, 'utf8');
      if (text === this.#text) return;
      const pods = parsePods(text, this.path);
      this.#text = text;
      this.#fault = '';
      this.#retry.reset();
      this.replace(pods);
    } catch (thrown) {
      if (this.closed) return;
      if (!again) {
        this.#look(SECOND_LOOK_MS, true);
        return;
      }
      this.#tell(thrown instanceof PodFileError ? thrown : new PodFileError(this.path, asError(thrown).message, { cause: thrown }));
      if (this.#watcher === undefined) this.#look(this.#retry.next(), true);
    }
  }

  #tell(error: PodFileError): void {
    if (error.message === this.#fault) return;
    this.#fault = error.message;
    this.#text = undefined; // a return to the last good state is a change
    this.report(error);
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
    this.#watcher = watch(folder, { persistent: true }, () => this.#look(SETTLE_MS, false));
    this.#watcher.on('error', () => {
      this.#unfollow();
      this.#look(SETTLE_MS, false);
    });
    this.#folder = ino;
  }

  #unfollow(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
