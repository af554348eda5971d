import {
  defineError,
  firstProblems,
  listProblems,
  MerbridgeError,
  PodRulesError,
  printable,
  type KubernetesErrorCode,
  type MerbridgeErrorOptions,
  type PodRulesProblem,
} from '../errors';

/**
 * The annotations or the address of one pod are invalid. Other pods are not affected.
 *
 * @example
 * ```ts
 * import { PodRefusedError, type PodController } from 'merbridge/kubernetes';
 *
 * function report(controller: PodController): void {
 *   controller.on('error', error => {
 *     if (error instanceof PodRefusedError) console.warn(`${error.pod}: ${error.problems.length} problems`);
 *     else console.error(error.message);
 *   });
 * }
 * ```
 */
export class PodRefusedError extends MerbridgeError {
  /** Always `'ERR_POD_REFUSED'`. */
  declare readonly code: 'ERR_POD_REFUSED';
  /** Name of the pod, such as `'shop/cart-7d4b9'`. */
  readonly pod: string;
  /** What is wrong, by annotation (empty if it concerns none) and position: up to 20 problems. */
  readonly problems: readonly PodRulesProblem[];

  /**
   * Creates the error.
   *
   * @param pod - name of the pod
   * @param problems - everything that is wrong with it, at least one problem. The first 20 are kept
   * @param consequence - how the pod is treated now
   * @param options - operation, hint and cause, as far as they are known
   */
  constructor(
    pod: string,
    problems: readonly PodRulesProblem[],
    consequence: string,
    options: MerbridgeErrorOptions = {},
  ) {
    const first = firstProblems(problems);
    const hasMore = problems.length > first.length || (options.cause instanceof PodRulesError && options.cause.hasMore);
    const name = printable(pod);
    super('ERR_POD_REFUSED', { hint: consequence, subject: `pod ${name}`, ...options }, listProblems(first, hasMore));
    this.pod = name;
    this.problems = first;
  }
}

/**
 * There is no room for some pods. They are retried.
 *
 * @example
 * ```ts
 * import { PodsLeftOutError, type PodController } from 'merbridge/kubernetes';
 *
 * function report(controller: PodController): void {
 *   controller.on('error', error => {
 *     if (error instanceof PodsLeftOutError) console.warn(`raise maxPods: no room for ${error.addresses.join(', ')}`);
 *   });
 * }
 * ```
 */
export class PodsLeftOutError extends MerbridgeError {
  /** Always `'ERR_PODS_LEFT_OUT'`. */
  declare readonly code: 'ERR_PODS_LEFT_OUT';
  /** Addresses that are not enrolled. */
  readonly addresses: readonly string[];

  /**
   * Creates the error.
   *
   * @param addresses - addresses that are not enrolled, at least one
   * @param options - operation, hint and cause, as far as they are known
   */
  constructor(addresses: readonly string[], options: MerbridgeErrorOptions = {}) {
    const some =
      addresses.length > 3 ? `${shown(addresses.slice(0, 3))} and ${addresses.length - 3} more` : shown(addresses);
    super(
      'ERR_PODS_LEFT_OUT',
      {
        hint: 'raise maxPods of the accelerator; the other pods are enrolled, and these will be retried',
        ...options,
      },
      `no room for ${some}`,
    );
    this.addresses = addresses;
  }
}

/**
 * A file of pods is missing, half written or invalid. The last valid state stays in force.
 *
 * @example
 * ```ts
 * import { PodFileError, WatchedFile } from 'merbridge/kubernetes';
 *
 * const pods = new WatchedFile('/etc/merbridge/pods.json');
 * pods.on('error', error => {
 *   if (error instanceof PodFileError) console.warn(`${error.path}: ${error.message}`);
 * });
 * ```
 */
export class PodFileError extends MerbridgeError {
  /** Always `'ERR_POD_FILE'`. */
  declare readonly code: 'ERR_POD_FILE';
  /** Path of the file. */
  readonly path: string;

  /**
   * Creates the error.
   *
   * @param path - path of the file
   * @param problem - what is wrong with it
   * @param options - operation, hint and cause, as far as they are known
   */
  constructor(path: string, problem: string, options: MerbridgeErrorOptions = {}) {
    const hint = 'the pods stay as they are; the file is read again when it changes';
    super('ERR_POD_FILE', { hint, subject: path, ...options }, printable(problem, 4096));
    this.path = path;
  }
}

/** Options of a {@link KubernetesError}. */
export interface KubernetesErrorOptions extends MerbridgeErrorOptions {
  /** HTTP status of the response. */
  readonly status?: number | undefined;
  /** Milliseconds to wait before a retry, as the server requested. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * The API server cannot be reached, refuses the request, or returns an invalid response.
 *
 * @example
 * ```ts
 * import { KubernetesError, type KubernetesPods } from 'merbridge/kubernetes';
 *
 * function report(pods: KubernetesPods): void {
 *   pods.on('error', error => {
 *     if (error instanceof KubernetesError && error.status === 403) console.error('allow list and watch on pods');
 *   });
 * }
 * ```
 */
export class KubernetesError extends MerbridgeError {
  /** Which kind of failure it is. */
  declare readonly code: KubernetesErrorCode;
  /** HTTP status of the response. Absent if there was none. */
  declare readonly status?: number;
  /** Milliseconds to wait before a retry, as the server requested. Absent if it did not. */
  declare readonly retryAfterMs?: number;

  /**
   * Creates the error.
   *
   * @param code - kind of failure
   * @param problem - what happened, in a few words
   * @param options - HTTP status, requested delay, operation, subject, hint and cause, as far as they are known
   */
  constructor(
    code: KubernetesErrorCode,
    problem: string,
    { status, retryAfterMs, ...options }: KubernetesErrorOptions = {},
  ) {
    super(code, options, problem);
    if (status !== undefined) this.status = status;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}

function shown(addresses: readonly string[]): string {
  return addresses.map(address => printable(address, 80)).join(', ');
}

defineError(PodRefusedError, 'PodRefusedError');
defineError(PodsLeftOutError, 'PodsLeftOutError');
defineError(PodFileError, 'PodFileError');
defineError(KubernetesError, 'KubernetesError');
