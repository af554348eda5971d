import type { TypedEmitter } from 'tiny-typed-emitter';

/**
 * Emits an error that nobody is waiting for: as the event `error` where somebody listens, otherwise as a warning of the
 * process. An emitter without a listener would throw it, and the agent would end for a fault that is tried again in a
 * moment.
 *
 * @internal
 */
export function report(
  emitter: Pick<TypedEmitter<{ error: (error: Error) => void }>, 'listenerCount' | 'emit'>,
  error: Error,
): void {
  if (emitter.listenerCount('error') > 0) emitter.emit('error', error);
  else process.emitWarning(error);
}

/** Whatever was thrown, as an error. @internal */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
