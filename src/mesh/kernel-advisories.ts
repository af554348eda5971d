import type { KernelAdvisory } from '../errors';

/**
 * Releases from the first to before the second: the mainline kernels that have a fault. The second one is the first
 * with the mend.
 */
type Range = readonly [from: string, fixedIn: string];

interface Fault {
  readonly id: string;
  readonly summary: string;
  readonly ranges: readonly Range[];
}

/**
 * From the CVE records of the kernel's own numbering authority. What needs a verdict program for incoming data, or a
 * map that is an array, cannot come from the programs of this library; another one on the same machine may bring it,
 * and a kernel without such a mend lacks many that never got a number.
 */
const FAULTS: readonly Fault[] = [
  {
    id: 'CVE-2023-52735',
    summary: 'closing a socket of a sockmap may call itself without end',
    ranges: [
      ['4.20', '5.15.95'],
      ['5.16', '6.1.13'],
    ],
  },
  {
    id: 'CVE-2024-39500',
    summary: 'closing a socket while it leaves a sockmap',
    ranges: [
      ['5.13', '5.15.162'],
      ['5.16', '6.1.95'],
      ['6.2', '6.6.35'],
      ['6.7', '6.9.6'],
    ],
  },
  {
    id: 'CVE-2024-56664',
    summary: 'use after free when a socket is replaced in a sockmap while it is closed; maps that are arrays',
    ranges: [
      ['4.20', '5.10.236'],
      ['5.11', '5.15.180'],
      ['5.16', '6.1.125'],
      ['6.2', '6.6.67'],
      ['6.7', '6.12.6'],
    ],
  },
  {
    id: 'CVE-2025-38154',
    summary: 'use after free when a socket is closed while its backlog is sent; verdict programs for incoming data',
    ranges: [
      ['5.15.162', '5.15.186'],
      ['6.1.95', '6.1.142'],
      ['6.6.35', '6.6.94'],
      ['6.9.6', '6.12.34'],
      ['6.13', '6.15.3'],
    ],
  },
  {
    id: 'CVE-2025-38165',
    summary: 'panic on large messages in a backlog; verdict programs for incoming data',
    ranges: [
      ['6.1.54', '6.1.142'],
      ['6.5.4', '6.6.94'],
      ['6.7', '6.12.34'],
      ['6.13', '6.15.3'],
    ],
  },
];

/**
 * `6.1.0-40-amd64`, `6.8.0-60-generic`: the last number is 0 for the whole series, what counts is a number of the
 * distribution's own.
 */
const OWN_COUNT = /^\d+\.\d+\.0-\d/;
/** Debian tells the release in what `uname -v` says: `#1 SMP PREEMPT_DYNAMIC Debian 6.1.153-1 (2025-09-20)`. */
const DEBIAN = /\bDebian (\d+\.\d+\.\d+)/;
/** Above every number of a stable release. */
const LAST = 0xffff;

/**
 * Known faults of a kernel in the code that moves bytes from socket to socket.
 *
 * The release alone decides. Distributions take mends over without their number, so this is a reason to ask, never one
 * to refuse. Where a distribution has replaced the number, every fault that some release of the series has is listed,
 * with `certain` false.
 *
 * @param release - what `uname -r` says, `os.release()`
 * @param version - what `uname -v` says, `os.version()`
 * @returns the faults by number; empty if there is none, or if the text is no release
 * @example
 * ```ts
 * import { release, version } from 'node:os';
 * import { kernelAdvisories } from 'merbridge';
 *
 * for (const { id, fixedIn } of kernelAdvisories(release(), version())) console.log(`${id}, fixed in ${fixedIn}`);
 * ```
 */
export function kernelAdvisories(release: string, version = ''): KernelAdvisory[] {
  const text = DEBIAN.exec(version)?.[1] ?? release;
  if (!/^\d+\.\d+/.test(text)) return [];
  const certain = !OWN_COUNT.test(text);
  const first = number(text);
  const last = certain ? first : first + LAST;
  return FAULTS.flatMap(({ id, summary, ranges }) => {
    const range = ranges.find(([from, fixedIn]) => number(from) <= last && first < number(fixedIn));
    return range === undefined ? [] : [{ id, summary, fixedIn: range[1], certain }];
  });
}

/** Of a release, so that a later one is greater. */
function number(release: string): number {
  const [, major, minor, patch = '0'] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(release) ?? [];
  return (Number(major) * 1000 + Number(minor)) * (LAST + 1) + Number(patch);
}
