/** What was done so far, to be undone from the last step on if a later one fails. @internal */
export class Undo {
  readonly #steps: (() => void)[] = [];

  /** Adds a step that takes back what was just done. */
  add(step: () => void): void {
    this.#steps.push(step);
  }

  /** All steps, whatever fails: an error here would hide the one that led to it. */
  run(): void {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        step();
      } catch {
        // What cannot be undone is what the next start or removal finds.
      }
    }
  }
}
