import { MerbridgeError, defineError, type MerbridgeErrorOptions } from './merbridge-error';

/**
 * An object was used after it was closed, by its own `close()` or by that of its owner.
 *
 * The subject names the object. Nothing reached the kernel.
 */
export class ClosedError extends MerbridgeError {
  declare readonly code: 'ERR_BPF_CLOSED';

  /**
   * @param subject - the object, such as `'map "local_pod_ips"'`
   * @param options - the usual facts
   */
  constructor(subject: string, options: Omit<MerbridgeErrorOptions, 'subject'> = {}) {
    super('ERR_BPF_CLOSED', { ...options, subject }, 'it is closed');
  }
}

defineError(ClosedError, 'ClosedError');
