import { MerbridgeError, defineError } from './merbridge-error';
import { quoted } from './printable';

/**
 * A value is not an IP address.
 *
 * Addresses often come from outside, such as an API server or a configuration file. This error has a code of its own so
 * that a program can skip such an address and continue.
 *
 * @example
 * ```ts
 * import { InvalidAddressError, type MeshAccelerator } from 'merbridge';
 *
 * function addPod(mesh: MeshAccelerator, address: string): void {
 *   try {
 *     mesh.localPodIps.set(address);
 *   } catch (error) {
 *     if (!(error instanceof InvalidAddressError)) throw error;
 *     console.warn(`skipped ${String(error.input)}`);
 *   }
 * }
 * ```
 */
export class InvalidAddressError extends MerbridgeError {
  /** Always `'ERR_BPF_INVALID_ADDRESS'`. */
  declare readonly code: 'ERR_BPF_INVALID_ADDRESS';
  /** The value that is not an address. */
  readonly input: unknown;

  /**
   * Creates the error.
   *
   * @param input - the value that is not an address
   * @param hint - example of an address, or what is wrong with this one
   */
  constructor(input: unknown, hint: string) {
    super('ERR_BPF_INVALID_ADDRESS', { hint }, `${quoted(input)} is not an IP address`);
    this.input = input;
  }
}

defineError(InvalidAddressError, 'InvalidAddressError');
