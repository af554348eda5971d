/** What a run prints: one line a step. */

/** Lines with the time since the run began, and that of the step. */
export class Report {
  readonly #began: number;
  #last: number;

  constructor(began = Date.now()) {
    this.#began = began;
    this.#last = Date.now();
  }

  /** When the run began, for a report that continues this one. */
  get began(): number {
    return this.#began;
  }

  /** A step is done. */
  readonly done = (what: string): void => {
    const now = Date.now();
    const seconds = (ms: number): string => (ms / 1000).toFixed(1).padStart(6);
    console.log(`${seconds(now - this.#began)} s  +${seconds(now - this.#last)} s  ${what}`);
    this.#last = now;
  };
}
