import { TypedEmitter, type ListenerSignature } from 'tiny-typed-emitter';

/**
 * An event emitter that is robust against failing listeners. If a listener throws, the other listeners are still
 * called, and the caller of `emit` does not see the error. It becomes an uncaught exception of the process, as with an
 * `EventTarget` of Node.js.
 *
 * This is the base class of the emitters of this library, and is not exported.
 *
 * @example
 * ```ts
 * import type { MeshAccelerator } from 'merbridge';
 *
 * export function observe(mesh: MeshAccelerator): void {
 *   mesh.on('acceleration', now => console.log(`acceleration is ${now}`));
 *   mesh.on('pods', (added, deleted) => console.log(`${added.length} added, ${deleted.length} deleted`));
 * }
 * ```
 */
export class SteadyEmitter<L extends ListenerSignature<L>> extends TypedEmitter<L> {
  /**
   * Calls all listeners of an event, in the order in which they were added.
   *
   * @param event - name of the event
   * @param args - arguments of the listeners
   * @returns whether there are any
   * @throws Error (the argument) if the event is `'error'` and has no listener
   */
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
