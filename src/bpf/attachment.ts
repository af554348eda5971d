import { Handle } from './handle';

/**
 * An attachment that is not a kernel object of its own. It cannot be pinned, and it remains if the process exits
 * without closing it.
 *
 * @example
 * ```ts
 * import type { BpfAttachment, BpfProgram, BpfSockHashMap } from 'merbridge/bpf';
 *
 * function attachUntilExit(sockets: BpfSockHashMap<number>, program: BpfProgram): BpfAttachment {
 *   const attachment = sockets.attachVerdict(program);
 *   process.once('exit', () => attachment.close()); // close() detaches the program
 *   return attachment;
 * }
 * ```
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
