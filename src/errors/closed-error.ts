import { MerbridgeError, defineError, type MerbridgeErrorOptions } from './merbridge-error';

/**
 * An object was used after it was closed, by its own `close()` or by that of its owner.
 *
 * `subject` names the object. The kernel was not called.
 *
 * @example
 * ```ts
 * import { ClosedError, type MeshAccelerator } from 'merbridge';
 *
 * function addPod(mesh: MeshAccelerator, address: string): boolean {
 *   try {
 *     mesh.localPodIps.set(address);
 *     return true;
 *   } catch (error) {
 *     if (error instanceof ClosedError) return false; // the program is shutting down
 *     throw error;
 *   }
 * }
 * ```
 */
export class ClosedError extends MerbridgeError {
  /** Always `'ERR_BPF_CLOSED'`. */
  declare readonly code: 'ERR_BPF_CLOSED';

  /**
   * Creates the error.
   *
   * @param subject - the closed object, such as `'map "local_pod_ips"'`
   * @param options - operation and cause, as far as they are known
   */
  constructor(subject: string, options: Omit<MerbridgeErrorOptions, 'subject'> = {}) {
    super('ERR_BPF_CLOSED', { ...options, subject }, 'it is closed');
  }
}

defineError(ClosedError, 'ClosedError');
