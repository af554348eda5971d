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

/** What the annotations or the address of one pod say cannot be done. Other pods are not concerned. */
export class PodRefusedError extends MerbridgeError {
  declare readonly code: 'ERR_POD_REFUSED';
  /** Name of the pod, such as `'shop/cart-7d4b9'`. */
  readonly pod: string;
  /** What is wrong, by annotation (empty if it is about none) and position: up to 20 problems. */
  readonly problems: readonly PodRulesProblem[];

  /**
   * @param pod - name of the pod
   * @param problems - everything that is wrong with it, one at least; the first 20 are kept
   * @param consequence - how the pod is treated now
   * @param options - cause
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

/** There are more pods than fit. */
export class PodsLeftOutError extends MerbridgeError {
  declare readonly code: 'ERR_PODS_LEFT_OUT';
  /** Addresses that are not enrolled. */
  readonly addresses: readonly string[];

  /**
   * @param addresses - those that are not enrolled, one at least
   * @param options - cause
   */
  constructor(addresses: readonly string[], options: MerbridgeErrorOptions = {}) {
    const some =
      addresses.length > 3 ? `${shown(addresses.slice(0, 3))} and ${addresses.length - 3} more` : shown(addresses);
    super(
      'ERR_PODS_LEFT_OUT',
      {
        hint: 'raise maxPods of the accelerator; the other pods are enrolled, and these will be tried again',
        ...options,
      },
      `no room for ${some}`,
    );
    this.addresses = addresses;
  }
}

/** A file of pods is missing, half written or wrong. The last good state stays in force. */
export class PodFileError extends MerbridgeError {
  declare readonly code: 'ERR_POD_FILE';
  /** Path of the file. */
  readonly path: string;

  /**
   * @param path - path of the file
   * @param problem - what is wrong with it
   * @param options - cause
   */
  constructor(path: string, problem: string, options: MerbridgeErrorOptions = {}) {
    const hint = 'the pods stay as they are; the file is read again when it changes';
    super('ERR_POD_FILE', { hint, subject: path, ...options }, printable(problem, 4096));
    this.path = path;
  }
}

/** What is known of a failure at the API server. */
export interface KubernetesErrorOptions extends MerbridgeErrorOptions {
  /** Status of the answer. */
  readonly status?: number | undefined;
  /** Milliseconds that the server asks to wait. */
  readonly retryAfterMs?: number | undefined;
}

/** The API server cannot be reached, refuses, or answers nonsense. */
export class KubernetesError extends MerbridgeError {
  declare readonly code: KubernetesErrorCode;
  /** Status of the answer; absent where there was none. */
  declare readonly status?: number;
  /** Milliseconds that the server asks to wait; absent where it did not. */
  declare readonly retryAfterMs?: number;

  /**
   * @param code - what is the matter
   * @param problem - the same in words
   * @param options - status, hint, cause
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
