import type { TypedEmitter } from 'tiny-typed-emitter';

/**
 * Emits an error that nobody awaits: as the event `error` if there is a listener, otherwise as a process warning. An
 * emitter without a listener would throw it, and the agent would exit because of an error that is retried soon.
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

/**
 * Converts a thrown value to an error.
 *
 * @internal
 */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
