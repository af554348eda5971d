import { TypedEmitter, type ListenerSignature } from 'tiny-typed-emitter';

/**
 * An emitter whose state no listener can upset: what a listener throws does not come back to the one who caused the
 * event, and keeps no other listener from being called. It becomes an uncaught exception of the process, as with an
 * `EventTarget` of Node.js.
 */
export class SteadyEmitter<L extends ListenerSignature<L>> extends TypedEmitter<L> {
  /** Calls all listeners, one after the other. Returns whether there are any. */
  override emit<U extends keyof L>(event: U, ...args: Parameters<L[U]>): boolean {
    const listeners = this.rawListeners(event);
    if (listeners.length === 0) return super.emit(event, ...args); // an error that nobody listens for is thrown
    for (const listener of listeners) {
      try {
        listener.apply(this, args);
      } catch (error) {
        process.nextTick(() => {
          throw error;
        });
      }
    }
    return true;
  }
}
