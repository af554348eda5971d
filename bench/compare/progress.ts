/** Says on the terminal what is measured now, and how long the rest will take. */
export class Progress {
  readonly #started = performance.now();
  #done = -1;

  /** @param steps - how many there will be */
  constructor(private readonly steps: number) {}

  next(what: string): void {
    this.#done++;
    const seconds = (performance.now() - this.#started) / 1000;
    const left = this.#done === 0 ? '' : `, about ${duration((seconds / this.#done) * (this.steps - this.#done))} left`;
    process.stderr.write(
      `${String(this.#done + 1).padStart(String(this.steps).length)}/${this.steps}  ${what}${left}\n`,
    );
  }
}

function duration(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
