import type { PodOptions } from '../../policy';

/** A pod to enrol, as a source describes it. It is immutable: if the pod changes, the source provides a new object. */
export interface SourcePod {
  /** Name for messages: `'namespace/name'`, or its address. */
  readonly name: string;
  /** Its IP addresses as text. */
  readonly addresses: readonly string[];
  /** Options for `localPodIps.set`. */
  readonly options: PodOptions;
  /** Annotations from which its rules are derived. If absent, the rules of `options` apply. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Priority if two pods claim the same address: the higher rank gets it. Default: 0. */
  readonly rank?: number | undefined;
}

/** Events of a source. */
export interface PodSourceEvents {
  /** `pods` has changed. Events may come in bursts; the listener coalesces them. */
  change: () => void;
  /** `pods` is complete: for the first time, or again after the source had lost its connection. */
  synced: () => void;
  /** An error occurred. The source continues with what it has. */
  error: (error: Error) => void;
  /** The source lost the connection to the origin of its pods, and will retry after `retryInMs` milliseconds. */
  disconnected: (reason: Error, retryInMs: number) => void;
}

/**
 * A source of pods to enrol. It always holds the complete desired state and announces changes. So a listener that
 * starts late or misses an event only has to read `pods`.
 *
 * Available sources are {@link StaticPods}, {@link WatchedFile} and {@link KubernetesPods}. To write your own (for the
 * CRI or a CNI plug-in), extend {@link PodSourceBase}.
 */
export interface PodSource {
  /**
   * Resolves when `pods` is complete for the first time. Rejects with a ClosedError (`ERR_BPF_CLOSED`) if the source is
   * closed before.
   */
  readonly synced: Promise<void>;
  /** All pods to enrol. The key identifies a pod for its whole life (in Kubernetes: its UID). */
  readonly pods: ReadonlyMap<string, SourcePod>;
  /**
   * Adds a listener.
   *
   * @param event - name of the event
   * @param listener - called at each event
   * @returns any value; it is ignored
   */
  on<E extends keyof PodSourceEvents>(event: E, listener: PodSourceEvents[E]): unknown;
  /**
   * Removes a listener.
   *
   * @param event - name of the event
   * @param listener - listener to remove
   * @returns any value; it is ignored
   */
  off<E extends keyof PodSourceEvents>(event: E, listener: PodSourceEvents[E]): unknown;
  /** Starts the source. Idempotent. */
  start(): void;
  /** Checks again whether changes were missed. The controller calls it at every resync. */
  refresh?(): void;
  /**
   * Closes the source. `pods` stays as it is. Idempotent.
   *
   * @returns a promise that resolves when all resources are released
   */
  close(): Promise<void>;
}
