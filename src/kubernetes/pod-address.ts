import { isIPv4 } from 'node:net';

/**
 * Normalises an address to the form in which `localPodIps` returns it.
 *
 * @internal
 * @returns the address, or `undefined` if it is not one, if it is IPv6, or if no pod can have it (loopback, multicast)
 */
export function tableForm(text: string): string | undefined {
  const address = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1] ?? text;
  if (!isIPv4(address)) return undefined;
  const first = Number.parseInt(address, 10);
  return first === 0 || first === 127 || first >= 224 ? undefined : address;
}
