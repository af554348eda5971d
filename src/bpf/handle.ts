/// <reference lib="esnext.disposable" preserve="true" />
import { ClosedError } from '../errors';

/** Code of the process warning about an object that was garbage collected without being closed. */
export const LEAK_WARNING = 'MERBRIDGE_NOT_CLOSED';

/**
 * Warns about objects that were garbage collected while they were open. It does not close them: closing a link at an
 * unpredictable time would end its attachment.
 */
const dropped = new FinalizationRegistry<string>(label => {
  process.emitWarning(
    `${label} was garbage collected without close(); its kernel resources are released only when the process exits`,
    {
      type: 'MerbridgeWarning',
      code: LEAK_WARNING,
    },
  );
});

/**
 * Base class of objects that hold kernel resources and must be closed.
 *
 * `close()` is idempotent. After it, every other use throws a ClosedError (`ERR_BPF_CLOSED`). Closing an object also
 * closes the objects that were created from it, the most recent one first. All of them are disposable.
 *
 * @example
 * ```ts
 * import { BpfHashMap, u32 } from 'merbridge/bpf';
 *
 * function demo(): void {
 *   using map = BpfHashMap.create({ name: 'demo', key: u32, value: u32, maxEntries: 16 });
 *   map.set(1, 2);
 * } // closed here
 * ```
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

  /** Whether this object, or the object that it was created from, was closed. */
  get closed(): boolean {
    return !this.#open;
  }

  /**
   * Releases the resources of this object and of the objects that were created from it. Idempotent.
   *
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses to detach a program. Everything else is released
   * nevertheless
   */
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
        // The first failure is reported, after everything else was released.
        if (!failed) failure = error;
        failed = true;
      }
    };
    for (const child of [...this.#children].reverse()) attempt(() => child.close());
    this.#children.clear();
    attempt(() => this.release());
    if (failed) throw failure;
  }

  /**
   * Same as {@link Handle.close}, for `using`.
   *
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses to detach a program. Everything else is released
   * nevertheless
   */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal Name of the object in messages, such as `map "pods"`. */
  get label(): string {
    return this.#label;
  }

  /** @internal Releases the resources of this object itself. Called once. */
  protected abstract release(): void;

  /** @internal */
  protected ensureOpen(operation?: string): void {
    if (!this.#open) throw new ClosedError(this.#label, operation === undefined ? {} : { operation });
  }

  /** @internal Enables the warning if this object is garbage collected while it is open. */
  protected track(): void {
    dropped.register(this, this.#label, this);
  }

  /** @internal */
  protected untrack(): void {
    dropped.unregister(this);
  }

  /** @internal For constructors that fail: marks it as closed without releasing anything, which the caller does. */
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
