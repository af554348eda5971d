import { MerbridgeError, ClosedError } from '../errors';
import { assertNumber, istioPodRules, refuseUnknown, SteadyEmitter, type PodOptions } from '../policy';
import { Backoff } from './backoff';
import { PodRefusedError, PodsLeftOutError } from './errors';
import type { PodSource } from './pod-source';
import type { PodTable } from './pod-table';
import { passing, reconcile, type Held, type Outcome } from './reconcile';
import { asError, report } from './report';
import { WantedPods, type RulesOfAnnotations } from './wanted-pods';

/** What a controller works on: a `MeshAccelerator`, or anything else with such a table. */
export interface PodTarget {
  /** The enrolled pods. */
  readonly localPodIps: PodTable;
}

/** What a controller did to the table. */
export interface AppliedChange {
  /** Addresses that were enrolled. */
  readonly added: readonly string[];
  /** Addresses whose treatment, or whose pod, changed. */
  readonly changed: readonly string[];
  /** Addresses that were taken out. */
  readonly deleted: readonly string[];
  /** Whether this was a comparison with the whole table: then it repaired what somebody else had changed. */
  readonly resync: boolean;
  /** Seconds from the oldest of these changes until now. */
  readonly seconds: number;
}

/** What a controller reports. */
export interface PodControllerEvents {
  /**
   * The whole wanted state of the source is in the table: for the first time, or again after the source had lost touch.
   */
  synced: () => void;
  /** The table was changed. */
  applied: (change: AppliedChange) => void;
  /**
   * Something is wrong, and goes on being tried where that makes sense. Without a listener it becomes a warning of the
   * process.
   */
  error: (error: Error) => void;
  /**
   * The source lost touch with where its pods come from, and tries again in so many milliseconds. The pods stay as they
   * are.
   */
  disconnected: (reason: Error, retryInMs: number) => void;
}

/** How a controller is made. */
export interface PodControllerOptions<T extends PodTarget> {
  /** Where the wanted pods come from. The controller starts and closes it. */
  readonly source: PodSource;
  /**
   * Attaches. It is called when the source knows all pods, and is given those: pass them on, so that they are enrolled
   * before the first program is attached. If it refuses because of single pods, it is called again with `undefined`:
   * pass that on, too, so that what is enrolled stays so; the pods are dealt with one by one then. What it returns
   * stays the caller's to close.
   */
  readonly attach: (pods: readonly (readonly [address: string, options: PodOptions])[] | undefined) => Promise<T> | T;
  /**
   * Makes a pod's rules of its annotations. Default `istioPodRules`.
   */
  readonly rules?: RulesOfAnnotations | undefined;
  /** Seconds between two comparisons of the whole wanted state with the whole table; 0 for none. Default 300. */
  readonly resyncSeconds?: number | undefined;
}

/** Changes that come in such a time are applied together. */
const COALESCE_MS = 10;

/**
 * What `attach` may refuse because of single pods: then it is called without any, and they are dealt with one by one.
 */
const ABOUT_PODS = new Set([
  'ERR_BPF_MAP_FULL',
  'ERR_BPF_INVALID_ADDRESS',
  'ERR_BPF_POD_RULES',
  'ERR_BPF_NOT_A_CGROUP',
]);

/**
 * Keeps `localPodIps` equal to what a source wants.
 *
 * It works by levels: whatever happened, the wanted state of now is compared with what the table holds, and the
 * difference is written. So no order of events and no lost event matters, and 10,000 changes in a row cost a few
 * rounds. Between changes it sleeps, except for the resync.
 *
 * @example
 * ```ts
 * import { MeshAccelerator } from 'merbridge';
 * import { KubernetesPods, PodController } from 'merbridge/kubernetes';
 *
 * export async function run(): Promise<void> {
 *   const controller = new PodController({
 *     source: new KubernetesPods(),
 *     attach: (pods) => MeshAccelerator.start({ cgroup: '/sys/fs/cgroup/kubepods.slice', pods }),
 *   });
 *   controller.on('error', (error) => console.error(error.message));
 *   const mesh = await controller.start(); // attached, with all pods of this node
 *   process.once('SIGTERM', () => void controller.close().then(() => mesh.close()));
 * }
 * ```
 */
export class PodController<T extends PodTarget = PodTarget> extends SteadyEmitter<PodControllerEvents> {
  readonly #source: PodSource;
  readonly #attach: PodControllerOptions<T>['attach'];
  readonly #resyncMs: number;
  readonly #wanted: WantedPods;
  readonly #retry = new Backoff(1_000, 60_000);
  /** What the table holds, as far as this controller knows. */
  readonly #held = new Map<string, Held>();
  readonly #closed = new AbortController();
  readonly #unsubscribe: () => void;
  #table: PodTable | undefined;
  #starting: Promise<T> | undefined;
  #round: NodeJS.Timeout | undefined;
  #retryRound: NodeJS.Timeout | undefined;
  #resyncRound: NodeJS.Timeout | undefined;
  #oldest: number | undefined;
  #synced = false;
  #leftOut = '';
  #errors = 0;

  /**
   * @param options - source, how to attach, how often to compare
   * @throws TypeError or RangeError for options that make no sense
   */
  constructor(options: PodControllerOptions<T>) {
    super();
    const {
      source,
      attach,
      rules = annotations => istioPodRules(annotations),
      resyncSeconds = 300,
      ...unknown
    } = options;
    refuseUnknown(unknown, 'PodController');
    if (typeof attach !== 'function') throw new TypeError('PodController: attach must be a function');
    assertNumber(resyncSeconds, 0, 86_400, 'PodController: resyncSeconds');
    this.#source = source;
    this.#attach = attach;
    this.#resyncMs = resyncSeconds * 1000;
    this.#wanted = new WantedPods(rules, error => this.#report(error));
    this.#unsubscribe = this.#subscribe();
  }

  /** Seconds since the oldest change that is not applied yet; 0 if there is none. */
  get lag(): number {
    return this.#oldest === undefined ? 0 : (performance.now() - this.#oldest) / 1000;
  }

  /** How many errors were reported so far. */
  get errors(): number {
    return this.#errors;
  }

  /** How many addresses are enrolled. */
  get pods(): number {
    return this.#held.size;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closed.signal.aborted;
  }

  /**
   * Starts the source, waits until it knows all pods, attaches, and brings the table to what is wanted. As long as the
   * source cannot tell, nothing is attached, and connections take their old path. Idempotent.
   *
   * @returns what `attach` returned, also if {@link close} was called while it worked: it is the caller's to close
   * @throws ClosedError (`ERR_BPF_CLOSED`) if {@link close} is called before `attach`
   * @throws whatever `attach` throws; the controller is closed then
   */
  start(): Promise<T> {
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      await this.close();
      throw error;
    });
    return this.#starting;
  }

  /** Compares all that is wanted with all that the table holds, now. What somebody else changed is put right. */
  resync(): void {
    if (this.#table === undefined || this.closed) return;
    try {
      this.#source.refresh?.();
    } catch (thrown) {
      this.#report(asError(thrown));
    }
    this.#apply(true);
  }

  /** Ends the reconciliation, and the source. What is enrolled stays so. Idempotent. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#unsubscribe();
    for (const timer of [this.#round, this.#retryRound, this.#resyncRound]) clearTimeout(timer);
    await this.#source.close();
  }

  /** Same as {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #start(): Promise<T> {
    if (this.closed) throw new ClosedError('PodController');
    this.#source.start();
    await this.#source.synced;
    if (this.closed) throw new ClosedError('PodController');
    const pods = [...this.#wanted.of(this.#source.pods)].map(([address, { options }]) => [address, options] as const);
    const target = await this.#attached(pods);
    this.#table = target.localPodIps;
    if (this.closed) return target; // the caller has to close what it opened
    this.#apply(true);
    return target;
  }

  async #attached(pods: readonly (readonly [string, PodOptions])[]): Promise<T> {
    try {
      return await this.#attach(pods);
    } catch (error) {
      if (!(error instanceof MerbridgeError) || !ABOUT_PODS.has(error.code) || pods.length === 0) throw error;
      // Not with an empty list: that would take out what an earlier agent has enrolled.
      return this.#attach(undefined);
    }
  }

  #subscribe(): () => void {
    const source = this.#source;
    const change = (): void => this.#schedule();
    const synced = (): void => {
      this.#synced = true;
      this.#schedule();
    };
    const error = (reason: Error): void => this.#report(reason);
    const disconnected = (reason: Error, retryInMs: number): void => {
      this.emit('disconnected', reason, retryInMs);
    };
    source.on('change', change);
    source.on('synced', synced);
    source.on('error', error);
    source.on('disconnected', disconnected);
    return () => {
      source.off('change', change);
      source.off('synced', synced);
      source.off('error', error);
      source.off('disconnected', disconnected);
    };
  }

  #schedule(): void {
    this.#oldest ??= performance.now();
    if (this.#table === undefined || this.closed) return;
    this.#round ??= setTimeout(() => this.#apply(false), COALESCE_MS);
  }

  /** One round: compares, writes, reports. Synchronous, so rounds never meet. */
  #apply(whole: boolean): void {
    const table = this.#table;
    if (table === undefined || this.closed) return;
    clearTimeout(this.#round);
    clearTimeout(this.#retryRound);
    this.#round = this.#retryRound = undefined;
    let outcome: Outcome | undefined;
    try {
      const wanted = this.#wanted.of(this.#source.pods);
      if (whole) this.#readBack(table);
      outcome = reconcile(table, this.#held, wanted);
    } catch (thrown) {
      this.#report(asError(thrown));
    }
    if (outcome !== undefined) this.#tell(outcome, whole);
    if (this.closed) return;
    if (outcome !== undefined && !worthRetrying(outcome)) {
      this.#retry.reset();
    } else {
      clearTimeout(this.#retryRound); // a listener may have asked for a resync
      this.#retryRound = setTimeout(() => this.#apply(outcome === undefined), this.#retry.next());
    }
    if (whole && this.#resyncMs > 0) {
      clearTimeout(this.#resyncRound);
      this.#resyncRound = setTimeout(() => this.resync(), this.#resyncMs);
    }
  }

  /** Takes what the table holds for what it holds, instead of what was written. */
  #readBack(table: PodTable): void {
    const present = new Map(table.entries());
    for (const address of [...this.#held.keys()]) if (!present.has(address)) this.#held.delete(address);
    for (const [address, pod] of present) {
      const held = this.#held.get(address);
      // The table has the id of a cgroup, whatever was asked for. One that was not found, or that somebody took out, is
      // asked for again.
      const isKnown = held !== undefined && pod.cgroup !== undefined;
      this.#held.set(address, { ...held, options: isKnown ? { ...pod, cgroup: held.options.cgroup } : pod });
    }
  }

  #tell(outcome: Outcome, resync: boolean): void {
    const { added, changed, deleted, refused } = outcome;
    const seconds = this.lag;
    const done = !worthRetrying(outcome);
    if (done) this.#oldest = undefined;
    if (added.length + changed.length + deleted.length > 0)
      this.emit('applied', { added, changed, deleted, resync, seconds });
    this.#reportRefused(refused);
    if (this.#synced && done && !this.closed) {
      this.#synced = false;
      this.emit('synced');
    }
  }

  /** The same ones are reported once, however often they are tried. */
  #reportRefused(refused: ReadonlyMap<string, Error>): void {
    const now = [...refused].map(([address, error]) => `${address} ${error.message}`).join('\n');
    if (now === this.#leftOut) return;
    this.#leftOut = now;
    const full = [...refused].filter(([, error]) => codeOf(error) === 'ERR_BPF_MAP_FULL');
    if (full.length > 0) {
      const cause = full[0]![1] as MerbridgeError; // which names the option of the map that is full
      const hint = cause.hint && `${cause.hint}; the other pods are enrolled, and these will be tried again`;
      this.#report(
        new PodsLeftOutError(
          full.map(([address]) => address),
          { cause, ...(hint && { hint }) },
        ),
      );
    }
    for (const [address, error] of refused) {
      const code = codeOf(error);
      if (code === 'ERR_BPF_MAP_FULL') continue;
      this.#report(code === 'ERR_BPF_CLOSED' ? error : refusal(address, error, this.#held.has(address)));
      if (code !== 'ERR_BPF_CLOSED') continue;
      void this.close(); // there is nothing left to write to
      return;
    }
  }

  #report(error: Error): void {
    this.#errors++;
    report(this, error);
  }
}

function worthRetrying({ refused }: Outcome): boolean {
  return [...refused.values()].some(passing);
}

function codeOf(error: Error): string | undefined {
  return error instanceof MerbridgeError ? error.code : undefined;
}

function refusal(address: string, cause: Error, isEnrolled: boolean): PodRefusedError {
  const problem = { name: '', position: 0, entry: address, reason: cause.message };
  const now = isEnrolled ? 'it keeps what it had' : 'it is not enrolled';
  return new PodRefusedError(
    address,
    [problem],
    `${now}, until ${passing(cause) ? 'another attempt works' : 'the pod changes'}`,
    { cause },
  );
}
