import { MerbridgeError, defineError } from './merbridge-error';
import { quoted } from './printable';

/**
 * A text is not an IP address.
 *
 * Unlike other bad arguments this has a stable code, because addresses come from outside (an API server, a
 * configuration file) and a program may well want to skip one and go on.
 */
export class InvalidAddressError extends MerbridgeError {
  declare readonly code: 'ERR_BPF_INVALID_ADDRESS';
  /** What was given instead of an address. */
  readonly input: unknown;

  /**
   * @param input - what was given instead of an address
   * @param hint - what an address looks like, or what is wrong with this one
   */
  constructor(input: unknown, hint: string) {
    super('ERR_BPF_INVALID_ADDRESS', { hint }, `${quoted(input)} is not an IP address`);
    this.input = input;
  }
}

defineError(InvalidAddressError, 'InvalidAddressError');
