import { ClosedError } from '../../errors';
import { SteadyEmitter } from '../../policy';
import { report } from './report';
import type { PodSource, PodSourceEvents, SourcePod } from './pod-source';

/**
 * Base class of sources: it holds the desired state and emits the events.
 *
 * @example
 * ```ts
 * import { PodSourceBase } from 'merbridge/kubernetes';
 *
 * // The pods that a CNI plug-in reports.
 * export class HookedPods extends PodSourceBase {
 *   protected begin(): void {
 *     this.replace(new Map()); // the pods at the start
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
  /**
   * Resolves when `pods` is complete for the first time. Rejects with a ClosedError (`ERR_BPF_CLOSED`) if the source is
   * closed before.
   */
  readonly synced: Promise<void>;
  readonly #pods = new Map<string, SourcePod>();
  #settle!: { resolve: () => void; reject: (error: Error) => void };
  #started = false;
  #closing: Promise<void> | undefined;

  /** Creates a source that is not started. */
  constructor() {
    super();
    this.synced = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.synced.catch(() => undefined); // a rejection that nobody waits for is not an error
  }

  /** All pods to enrol, by key. */
  get pods(): ReadonlyMap<string, SourcePod> {
    return this.#pods;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Starts the source. Idempotent.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the source is closed
   */
  start(): void {
    if (this.closed) throw new ClosedError(this.constructor.name);
    if (this.#started) return;
    this.#started = true;
    this.begin();
  }

  /**
   * Closes the source: it emits nothing any more, and `pods` stays as it is. Idempotent.
   *
   * @returns a promise that resolves when all resources are released
   */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#settle.reject(new ClosedError(this.constructor.name));
      if (this.#started) await this.end();
    })();
    return this.#closing;
  }

  /**
   * Same as {@link close}, for `await using`.
   *
   * @returns a promise that resolves when all resources are released
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Starts to follow the pods. Called once. */
  protected abstract begin(): void;

  /**
   * Releases what `begin` acquired. Called once, and only after `begin`.
   *
   * @returns nothing, or a promise that resolves when it is done
   */
  protected abstract end(): void | Promise<void>;

  /**
   * Replaces the complete desired state, and emits `change` and `synced`.
   *
   * @param pods - all pods to enrol, by key
   */
  protected replace(pods: ReadonlyMap<string, SourcePod>): void {
    if (this.closed) return;
    let changed = false;
    for (const key of [...this.#pods.keys()]) if (!pods.has(key)) changed = this.#pods.delete(key) || changed;
    for (const [key, pod] of pods) changed = this.#set(key, pod) || changed;
    if (changed) this.emit('change');
    this.#settle.resolve();
    this.emit('synced');
  }

  /**
   * Adds or replaces one pod, and emits `change`.
   *
   * @param key - key of the pod
   * @param pod - the new state of the pod
   */
  protected put(key: string, pod: SourcePod): void {
    if (!this.closed && this.#set(key, pod)) this.emit('change');
  }

  /**
   * Removes one pod, and emits `change`.
   *
   * @param key - key of the pod
   */
  protected remove(key: string): void {
    if (!this.closed && this.#pods.delete(key)) this.emit('change');
  }

  /**
   * Emits an error. Without a listener for `error` it becomes a process warning.
   *
   * @param error - the error
   */
  protected report(error: Error): void {
    if (!this.closed) report(this, error);
  }

  /** An unchanged pod keeps its object: most changes of a pod in Kubernetes do not matter here. */
  #set(key: string, pod: SourcePod): boolean {
    const before = this.#pods.get(key);
    if (before === pod || (before !== undefined && JSON.stringify(before) === JSON.stringify(pod))) return false;
    this.#pods.set(key, pod);
    return true;
  }
}
