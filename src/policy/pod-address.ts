import { isIP, isIPv4 } from 'node:net';
import { fromBytes, ipAddress, toBytes } from '../codec';
import { InvalidAddressError } from '../errors';

/**
 * Converts an address to the canonical form in which maps return it: dotted-quad notation for IPv4 and IPv4-mapped
 * addresses, RFC 5952 for IPv6.
 *
 * @internal
 * @param address - text of an IP address
 * @returns its canonical form
 * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if it is invalid
 */
export function canonicalAddress(address: string): string {
  return fromBytes(ipAddress, toBytes(ipAddress, address));
}

/**
 * Checks the address of a pod and converts it to canonical form. Addresses that no pod can have are refused: a loopback
 * address would enrol every network namespace, because each of them has it.
 *
 * @internal
 * @param address - text of an IP address
 * @returns its canonical form
 * @throws InvalidAddressError (`ERR_BPF_INVALID_ADDRESS`) if it is invalid, IPv6, in 0.0.0.0/8, loopback, multicast or
 * reserved
 */
export function podAddress(address: string): string {
  const canonical = canonicalAddress(address);
  if (!isIPv4(canonical)) throw new InvalidAddressError(address, 'only IPv4 addresses of pods are supported so far');
  const first = Number.parseInt(canonical, 10);
  if (first === 0 || first === 127 || first >= 224)
    throw new InvalidAddressError(
      address,
      'the address of a pod must be a unicast address outside of 0.0.0.0/8 and 127.0.0.0/8',
    );
  return canonical;
}

/**
 * Same as {@link podAddress}, for a text that may be something else.
 *
 * @internal
 * @param text - any text
 * @returns the address in canonical form. `undefined` if it cannot be the address of a pod
 */
export function podAddressIfAny(text: string): string | undefined {
  // Most of what is none is IPv6, of pods that have both: an exception for each would be most of the work.
  const family = isIP(text);
  if (family === 0 || (family === 6 && !/^[0:]*:ffff:/i.test(text))) return undefined;
  try {
    return podAddress(text);
  } catch (error) {
    if (error instanceof InvalidAddressError) return undefined;
    throw error;
  }
}
