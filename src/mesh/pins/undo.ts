/**
 * Collects functions that undo completed steps. If a later step fails, they run in reverse order.
 *
 * @internal
 */
export class Undo {
  readonly #steps: (() => void)[] = [];

  /**
   * Adds a function that undoes the step that was just completed.
   *
   * @param step - the function
   */
  add(step: () => void): void {
    this.#steps.push(step);
  }

  /**
   * Runs all functions, even if some of them fail. Their errors are ignored, because they would hide the original one.
   */
  run(): void {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        step();
      } catch {
        // The next start or removal finds what could not be undone.
      }
    }
  }
}
