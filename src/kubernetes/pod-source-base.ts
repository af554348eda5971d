import { ClosedError } from '../errors';
import { SteadyEmitter } from '../policy';
import { report } from './report';
import type { PodSource, PodSourceEvents, SourcePod } from './pod-source';

/**
 * What all sources have in common: the wanted state, and when to speak of it.
 *
 * @example
 * ```ts
 * import { PodSourceBase } from 'merbridge/kubernetes';
 *
 * // The pods of a CNI's hook.
 * export class HookedPods extends PodSourceBase {
 *   protected begin(): void {
 *     this.replace(new Map()); // what there is at the start
 *   }
 *
 *   protected end(): void {}
 *
 *   added(id: string, address: string): void {
 *     this.put(id, { name: id, addresses: [address], options: {} });
 *   }
 *
 *   removed(id: string): void {
 *     this.remove(id);
 *   }
 * }
 * ```
 */
export abstract class PodSourceBase extends SteadyEmitter<PodSourceEvents> implements PodSource {
  /** Resolves when `pods` is the whole wanted state for the first time. */
  readonly synced: Promise<void>;
  readonly #pods = new Map<string, SourcePod>();
  #settle!: { resolve: () => void; reject: (error: Error) => void };
  #started = false;
  #closing: Promise<void> | undefined;

  constructor() {
    super();
    this.synced = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.synced.catch(() => undefined); // who does not wait for it does not want to hear of it
  }

  /** All wanted pods, by key. */
  get pods(): ReadonlyMap<string, SourcePod> {
    return this.#pods;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Begins. Idempotent. */
  start(): void {
    if (this.closed) throw new ClosedError(this.constructor.name);
    if (this.#started) return;
    this.#started = true;
    this.begin();
  }

  /** Ends: nothing is emitted any more, and `pods` stays as it is. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#settle.reject(new ClosedError(this.constructor.name));
      if (this.#started) await this.end();
    })();
    return this.#closing;
  }

  /** Same as {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Begins to find out; called once. */
  protected abstract begin(): void;

  /** Gives back what `begin` took; called once, and only after it. */
  protected abstract end(): void | Promise<void>;

  /** Takes in the whole wanted state. */
  protected replace(pods: ReadonlyMap<string, SourcePod>): void {
    if (this.closed) return;
    let changed = false;
    for (const key of [...this.#pods.keys()]) if (!pods.has(key)) changed = this.#pods.delete(key) || changed;
    for (const [key, pod] of pods) changed = this.#set(key, pod) || changed;
    if (changed) this.emit('change');
    this.#settle.resolve();
    this.emit('synced');
  }

  /** Takes in one pod that is new or changed. */
  protected put(key: string, pod: SourcePod): void {
    if (!this.closed && this.#set(key, pod)) this.emit('change');
  }

  /** Lets one pod go. */
  protected remove(key: string): void {
    if (!this.closed && this.#pods.delete(key)) this.emit('change');
  }

  /** Reports what is wrong. Without a listener for `error` it becomes a warning of the process. */
  protected report(error: Error): void {
    if (!this.closed) report(this, error);
  }

  /** A pod that is what it was stays the same object: most changes of a pod in Kubernetes are of no interest here. */
  #set(key: string, pod: SourcePod): boolean {
    const before = this.#pods.get(key);
    if (before === pod || (before !== undefined && JSON.stringify(before) === JSON.stringify(pod))) return false;
    this.#pods.set(key, pod);
    return true;
  }
}
