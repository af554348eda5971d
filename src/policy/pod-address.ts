import { isIP, isIPv4 } from 'node:net';
import { fromBytes, ipAddress, toBytes } from '../codec';
import { InvalidAddressError } from '../errors';

/**
 * An address in the form in which the maps give it back: dotted quads also for IPv4-mapped addresses, RFC 5952 for
 * IPv6.
 *
 * @internal
 * @param address - text of an address
 * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if it is none
 */
export function canonicalAddress(address: string): string {
  return fromBytes(ipAddress, toBytes(ipAddress, address));
}

/**
 * The address of a pod, in the form in which the maps give it back. Refuses what no pod has: a loopback address would
 * enrol every network namespace, because each of them has it.
 *
 * @internal
 * @param address - text of an address
 * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if it is none, IPv6, loopback, or multicast
 */
export function podAddress(address: string): string {
  const canonical = canonicalAddress(address);
  if (!isIPv4(canonical)) throw new InvalidAddressError(address, 'only IPv4 addresses of pods are acted upon so far');
  const first = Number.parseInt(canonical, 10);
  if (first === 0 || first === 127 || first >= 224)
    throw new InvalidAddressError(address, 'a pod has a unicast address that is neither 0.0.0.0/8 nor 127.0.0.0/8');
  return canonical;
}

/**
 * The same for texts that may well be none.
 *
 * @internal
 * @param text - anything that was written where an address belongs
 * @returns `undefined` where {@link podAddress} throws
 */
export function podAddressIfAny(text: string): string | undefined {
  // Most of what is none is IPv6, of pods that have both: an exception for each would be most of the work.
  if (isIP(text) === 0 || (isIP(text) === 6 && !/^[0:]*:ffff:/i.test(text))) return undefined;
  try {
    return podAddress(text);
  } catch (error) {
    if (error instanceof InvalidAddressError) return undefined;
    throw error;
  }
}
