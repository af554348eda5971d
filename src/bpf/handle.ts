/// <reference lib="esnext.disposable" preserve="true" />
import { ClosedError } from '../errors';

/** Code of the warning about a handle that was dropped without being closed. */
export const LEAK_WARNING = 'MERBRIDGE_NOT_CLOSED';

/**
 * Tells of handles that the engine collected while they were open. It does no more than that: closing a link because
 * nobody holds its object any more would end an attachment at a moment that nobody can foresee.
 */
const dropped = new FinalizationRegistry<string>(label => {
  process.emitWarning(
    `${label} was dropped without close(); what it holds in the kernel stays until the process ends`,
    {
      type: 'MerbridgeWarning',
      code: LEAK_WARNING,
    },
  );
});

/**
 * Something that has to be closed.
 *
 * `close()` may be called any number of times; every other use after it throws `ERR_BPF_CLOSED`. Closing an object
 * closes what came out of it, youngest first. Handles are disposable: `using map = BpfHashMap.create(…)`.
 */
export abstract class Handle {
  readonly #label: string;
  readonly #children = new Set<Handle>();
  #parent: Handle | undefined;
  #open = true;

  protected constructor(label: string, options: { parent?: Handle | undefined; tracked?: boolean } = {}) {
    this.#label = label;
    this.#parent = options.parent;
    options.parent?.adopt(this);
    if (options.tracked ?? true) this.track();
  }

  /** Whether `close()` was called, here or on the object that this one came out of. */
  get closed(): boolean {
    return !this.#open;
  }

  /** Gives back what it holds. Does nothing when it is closed already. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.untrack();
    this.#parent?.disown(this);
    this.#parent = undefined;
    let failure: unknown;
    let failed = false;
    const attempt = (step: () => void): void => {
      try {
        step();
      } catch (error) {
        // The first failure is told, but only after everything else was given back.
        if (!failed) failure = error;
        failed = true;
      }
    };
    for (const child of [...this.#children].reverse()) attempt(() => child.close());
    this.#children.clear();
    attempt(() => this.release());
    if (failed) throw failure;
  }

  /** The same as {@link Handle.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal Names the object in messages, such as `map "pods"`. */
  get label(): string {
    return this.#label;
  }

  /** @internal Gives back what this object itself holds; called once. */
  protected abstract release(): void;

  /** @internal */
  protected ensureOpen(operation?: string): void {
    if (!this.#open) throw new ClosedError(this.#label, operation === undefined ? {} : { operation });
  }

  /** @internal Warn when this object is collected while open. */
  protected track(): void {
    dropped.register(this, this.#label, this);
  }

  /** @internal */
  protected untrack(): void {
    dropped.unregister(this);
  }

  /** @internal For constructors that fail: closed without giving anything back, which the caller does. */
  abandon(): void {
    this.#open = false;
    this.untrack();
    this.#parent?.disown(this);
  }

  /** @internal */
  adopt(child: Handle): void {
    this.ensureOpen();
    this.#children.add(child);
  }

  /** @internal */
  disown(child: Handle): void {
    this.#children.delete(child);
  }
}
