/**
 * Closes resources in the reverse order of their creation. (DisposableStack needs Node.js 24.)
 *
 * @internal
 */
export class Resources implements Disposable {
  readonly #open: Disposable[] = [];

  use<T extends Disposable>(resource: T): T {
    this.#open.push(resource);
    return resource;
  }

  /** Closes all resources, even if one of them fails. Then throws the first failure. */
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
