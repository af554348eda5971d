import { ClosedError, MerbridgeError } from '../../errors';
import { assertNumber, refuseUnknown } from '../../checks';
import { istioPodRules, SteadyEmitter, type PodOptions } from '../../policy';
import { Backoff } from '../api/backoff';
import type { PodSource } from '../sources/pod-source';
import type { PodTable } from './pod-table';
import { passing, reconcile, type Held, type Outcome } from './reconcile';
import { Refusals } from './refusals';
import { asError, report } from '../sources/report';
import { WantedPods, type RulesOfAnnotations } from './wanted-pods';

/** Where a controller enrols pods: a `MeshAccelerator`, or any object with such a table. */
export interface PodTarget {
  /** Table of the enrolled pods. */
  readonly localPodIps: PodTable;
}

/** Changes that a controller made to the table. */
export interface AppliedChange {
  /** Addresses that were enrolled. */
  readonly added: readonly string[];
  /** Addresses whose options changed, or that now belong to another pod. */
  readonly changed: readonly string[];
  /** Addresses that were removed. */
  readonly deleted: readonly string[];
  /** Whether the whole table was compared. If so, the changes also repair what somebody else had changed. */
  readonly resync: boolean;
  /** Seconds from the oldest of these changes until now. */
  readonly seconds: number;
}

/** Events of a controller. */
export interface PodControllerEvents {
  /**
   * The complete desired state of the source is in the table: for the first time, or again after the source had lost
   * its connection.
   */
  synced: () => void;
  /** The table was changed. */
  applied: (change: AppliedChange) => void;
  /**
   * An error occurred. The controller retries where that makes sense. Without a listener the error becomes a process
   * warning.
   */
  error: (error: Error) => void;
  /**
   * The source lost the connection to the origin of its pods, and will retry after `retryInMs` milliseconds. The
   * enrolled pods stay as they are.
   */
  disconnected: (reason: Error, retryInMs: number) => void;
}

/** Options of a {@link PodController}. */
export interface PodControllerOptions<T extends PodTarget> {
  /** Source of the pods. The controller starts and closes it. */
  readonly source: PodSource;
  /**
   * Attaches the accelerator. It is called when the source knows all pods, and receives them. Pass them on, so that
   * they are enrolled before the first program is attached. If it rejects because of single pods, it is called again
   * with `undefined`. Pass that on, too: pods that are already enrolled then stay enrolled, and the controller handles
   * each pod by itself. The caller closes what it returns.
   */
  readonly attach: (pods: readonly (readonly [address: string, options: PodOptions])[] | undefined) => Promise<T> | T;
  /** Derives a pod's rules from its annotations. Default: `istioPodRules`. */
  readonly rules?: RulesOfAnnotations | undefined;
  /**
   * Seconds between two comparisons of the whole desired state with the whole table, 0 to 86400; 0 disables them.
   * Default: 300.
   */
  readonly resyncSeconds?: number | undefined;
}

/** Changes within this time are applied together. */
const COALESCE_MS = 10;

/**
 * Codes with which `attach` may reject because of single pods. Then it is called without pods, and each is handled by
 * itself.
 */
const ABOUT_PODS = new Set([
  'ERR_BPF_MAP_FULL',
  'ERR_BPF_INVALID_ADDRESS',
  'ERR_BPF_POD_RULES',
  'ERR_BPF_NOT_A_CGROUP',
]);

/**
 * Keeps `localPodIps` equal to the pods of a source.
 *
 * It is level-triggered: after any event it compares the current desired state with the content of the table and writes
 * the difference. So neither the order of events nor a lost event matters, and 10,000 changes in a row cost a few
 * rounds. It sleeps between changes, except for the resync.
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
  /** Content of the table, as far as this controller knows. */
  readonly #held = new Map<string, Held>();
  readonly #refusals = new Refusals(error => this.#report(error));
  readonly #closed = new AbortController();
  readonly #unsubscribe: () => void;
  #table: PodTable | undefined;
  #starting: Promise<T> | undefined;
  #round: NodeJS.Timeout | undefined;
  #retryRound: NodeJS.Timeout | undefined;
  #resyncRound: NodeJS.Timeout | undefined;
  #oldest: number | undefined;
  #synced = false;
  #errors = 0;

  /**
   * Creates a controller that is not started.
   *
   * @param options - the source, how to attach, and how often to compare
   * @throws TypeError if an option is unknown or of the wrong type
   * @throws RangeError if `resyncSeconds` is out of range
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

  /** Age in seconds of the oldest change that is not applied yet; 0 if there is none. */
  get lag(): number {
    return this.#oldest === undefined ? 0 : (performance.now() - this.#oldest) / 1000;
  }

  /** Number of errors that were reported so far. */
  get errors(): number {
    return this.#errors;
  }

  /** Number of enrolled addresses. */
  get pods(): number {
    return this.#held.size;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closed.signal.aborted;
  }

  /**
   * Starts the source, waits until it knows all pods, attaches, and writes the desired state to the table. While the
   * source is not synced, nothing is attached, and connections keep their previous path. Idempotent.
   *
   * @returns the result of `attach`, even if {@link close} was called meanwhile. The caller closes it
   * @throws ClosedError (`ERR_BPF_CLOSED`) if {@link close} is called before `attach`
   * @throws Error (of `attach`) if `attach` rejects; the controller is closed then
   */
  start(): Promise<T> {
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      await this.close();
      throw error;
    });
    return this.#starting;
  }

  /** Compares the whole desired state with the whole table now, and repairs what somebody else changed. */
  resync(): void {
    if (this.#table === undefined || this.closed) return;
    try {
      this.#source.refresh?.();
    } catch (thrown) {
      this.#report(asError(thrown));
    }
    this.#apply(true);
  }

  /**
   * Stops the reconciliation and closes the source. Enrolled pods stay enrolled. Idempotent.
   *
   * @returns a promise that resolves when the source is closed
   */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#unsubscribe();
    for (const timer of [this.#round, this.#retryRound, this.#resyncRound]) clearTimeout(timer);
    await this.#source.close();
  }

  /**
   * Same as {@link close}, for `await using`.
   *
   * @returns a promise that resolves when the source is closed
   */
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
      // Not with an empty list: that would remove the pods that an earlier agent enrolled.
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

  /** One round: compares, writes, reports. It is synchronous, so rounds do not overlap. */
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

  /** Takes the actual content of the table as its state, instead of what was written. */
  #readBack(table: PodTable): void {
    const present = new Map(table.entries());
    for (const address of [...this.#held.keys()]) if (!present.has(address)) this.#held.delete(address);
    for (const [address, pod] of present) {
      const held = this.#held.get(address);
      // The table has the id of a cgroup, whatever was requested. A cgroup that was not found, or that somebody
      // removed, is requested again.
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
    if (this.#refusals.tell(refused, address => this.#held.has(address)) === 'closed') void this.close();
    if (this.#synced && done && !this.closed) {
      this.#synced = false;
      this.emit('synced');
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
