import type { PodOptions } from '../policy';

/** A pod that shall be enrolled, as a source sees it. Never changed: a pod that changes is a new object. */
export interface SourcePod {
  /** How people call it, for reports: `'namespace/name'`, or its address. */
  readonly name: string;
  /** Its addresses. */
  readonly addresses: readonly string[];
  /** How it is treated. */
  readonly options: PodOptions;
  /** Annotations that its rules are made of; without them the rules of `options` are taken. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Of two pods that claim one address the one with the higher rank has it. Default 0. */
  readonly rank?: number | undefined;
}

/** What a source reports. */
export interface PodSourceEvents {
  /** `pods` is not what it was. May come in bursts; whoever listens coalesces. */
  change: () => void;
  /** `pods` is the whole wanted state: for the first time, or again after the source had lost touch with it. */
  synced: () => void;
  /** Something is wrong; the source goes on with what it has. */
  error: (error: Error) => void;
  /** The source lost touch with where its pods come from, and tries again in so many milliseconds. */
  disconnected: (reason: Error, retryInMs: number) => void;
}

/**
 * Where the wanted pods come from. It holds the whole wanted state at any time and says when that changed, so nobody
 * has to keep a history of events: who comes late, or misses one, reads `pods`.
 *
 * There are {@link StaticPods}, {@link WatchedFile} and {@link KubernetesPods}; a source of your own (the CRI, a CNI's
 * hook) is easiest made by extending {@link PodSourceBase}.
 */
export interface PodSource {
  /**
   * Resolves when `pods` is the whole wanted state for the first time; rejects only if the source is closed before
   * (`ERR_BPF_CLOSED`).
   */
  readonly synced: Promise<void>;
  /** All wanted pods, by a key that is a pod's own for its whole life (in Kubernetes its UID). */
  readonly pods: ReadonlyMap<string, SourcePod>;
  /** Calls `listener` whenever `event` happens. */
  on<E extends keyof PodSourceEvents>(event: E, listener: PodSourceEvents[E]): unknown;
  /** Calls it no longer. */
  off<E extends keyof PodSourceEvents>(event: E, listener: PodSourceEvents[E]): unknown;
  /** Begins. Idempotent. */
  start(): void;
  /** Looks again, where changes may have been missed. Called at every resync. */
  refresh?(): void;
  /** Ends. `pods` stays as it is. Idempotent. */
  close(): Promise<void>;
}
