/**
 * Closes what was opened, the last first. (DisposableStack comes with Node 24 only.)
 *
 * @internal
 */
export class Resources implements Disposable {
  readonly #open: Disposable[] = [];

  use<T extends Disposable>(resource: T): T {
    this.#open.push(resource);
    return resource;
  }

  /** Every one is closed, also if another one fails; the first failure is thrown at the end. */
  [Symbol.dispose](): void {
    const failures: unknown[] = [];
    for (let resource = this.#open.pop(); resource; resource = this.#open.pop()) {
      try {
        resource[Symbol.dispose]();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
