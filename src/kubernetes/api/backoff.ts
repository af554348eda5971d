/**
 * Exponential backoff with jitter: the delay doubles with each failure up to a maximum, and a random part of it is left
 * out, so that the agents of a cluster do not all retry at once.
 *
 * @internal
 */
export class Backoff {
  #next: number;

  /**
   * Creates a backoff.
   *
   * @param initial - first delay in milliseconds
   * @param max - maximum delay in milliseconds
   */
  constructor(
    private readonly initial: number,
    private readonly max: number,
  ) {
    this.#next = initial;
  }

  /**
   * Advances to the next attempt.
   *
   * @returns milliseconds to wait now: from half of the current step to the whole step
   */
  next(): number {
    const step = this.#next;
    this.#next = Math.min(this.max, step * 2);
    return Math.round(step / 2 + (Math.random() * step) / 2);
  }

  /** Resets the delay after a success. */
  reset(): void {
    this.#next = this.initial;
  }
}
