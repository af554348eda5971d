/** Finds out which of the capabilities that BPF needs this process lacks. */
import { readFileSync } from 'node:fs';

/** Bit numbers, linux/capability.h. */
const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;
const CAP_PERFMON = 38n;
const CAP_BPF = 39n;

/**
 * Lists the capabilities that loading and attaching need and that the process does not have.
 *
 * CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON, which were split off from it in Linux 5.8.
 *
 * @returns names such as `['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON']`; empty if none is missing or /proc cannot be
 * read
 * @see capabilities(7), proc(5): CapEff
 */
export function missingCapabilities(): string[] {
  let effective: bigint;
  try {
    const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'));
    if (line?.[1] === undefined) return [];
    effective = BigInt(`0x${line[1]}`);
  } catch {
    return [];
  }
  const has = (bit: bigint): boolean => ((effective >> bit) & 1n) === 1n;
  const missing: string[] = [];
  if (!has(CAP_SYS_ADMIN) && !has(CAP_BPF)) missing.push('CAP_BPF');
  if (!has(CAP_NET_ADMIN)) missing.push('CAP_NET_ADMIN');
  if (!has(CAP_SYS_ADMIN) && !has(CAP_PERFMON)) missing.push('CAP_PERFMON');
  return missing;
}
