/**
 * How long to wait before the next attempt: twice as long each time up to a bound, and each time a random part of it,
 * so that all the agents of a cluster do not come back at once.
 *
 * @internal
 */
export class Backoff {
  #next: number;

  /** Both in milliseconds. */
  constructor(
    private readonly initial: number,
    private readonly max: number,
  ) {
    this.#next = initial;
  }

  /** Milliseconds to wait now: from half of the current step to all of it. */
  next(): number {
    const step = this.#next;
    this.#next = Math.min(this.max, step * 2);
    return Math.round(step / 2 + (Math.random() * step) / 2);
  }

  /** Something worked: the next failure is the first one again. */
  reset(): void {
    this.#next = this.initial;
  }
}
