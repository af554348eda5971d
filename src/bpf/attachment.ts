import { Handle } from './handle';

/**
 * An attachment that the kernel does not keep as an object of its own: it cannot be pinned, and it stays when the
 * process ends without closing it.
 */
export class BpfAttachment extends Handle {
  readonly #detach: () => void;

  private constructor(label: string, detach: () => void) {
    super(label);
    this.#detach = detach;
  }

  /** @internal */
  static make(label: string, detach: () => void): BpfAttachment {
    return new BpfAttachment(label, detach);
  }

  /** @internal */
  protected override release(): void {
    this.#detach();
  }
}
