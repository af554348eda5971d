import type { KernelAdvisory } from '../errors';

/**
 * A range of mainline releases that have a bug: from the first one up to, but not including, the second one. The second
 * one is the first release with the fix.
 */
type Range = readonly [from: string, fixedIn: string];

interface Fault {
  readonly id: string;
  readonly summary: string;
  readonly ranges: readonly Range[];
}

/**
 * From the CVE records of the kernel's own CVE numbering authority (CNA). The programs of this library cannot trigger a
 * bug that needs a verdict program for incoming data or a sockmap that is an array. Other software on the same machine
 * may. A kernel without such a fix also lacks many fixes that never got a CVE number.
 */
const FAULTS: readonly Fault[] = [
  {
    id: 'CVE-2023-52735',
    summary: 'closing a socket of a sockmap may recurse without end',
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
 * Releases such as `6.1.0-40-amd64` and `6.8.0-60-generic`. Their patch level is 0 for the whole series, and the
 * distribution has its own number.
 */
const OWN_COUNT = /^\d+\.\d+\.0-\d/;
/**
 * Debian has the mainline release in the output of `uname -v`: `#1 SMP PREEMPT_DYNAMIC Debian 6.1.153-1 (2025-09-20)`.
 */
const DEBIAN = /\bDebian (\d+\.\d+\.\d+)/;
/** Greater than the patch level of every stable release. */
const LAST = 0xffff;

/**
 * Lists the known bugs of a kernel in the code that moves bytes from socket to socket.
 *
 * The result depends on the release alone. Distributions backport fixes without changing the release, so a listed bug
 * is a reason to check, not a reason to refuse the kernel. If a distribution uses its own patch level, every bug of any
 * release in the series is listed, with `certain` false.
 *
 * @param release - output of `uname -r`, or `os.release()`
 * @param version - output of `uname -v`, or `os.version()`
 * @returns the known bugs. Empty if there are none, or if the text is not a release
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

/** Converts a release to a number that is greater for a later release. */
function number(release: string): number {
  const [, major, minor, patch = '0'] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(release) ?? [];
  return (Number(major) * 1000 + Number(minor)) * (LAST + 1) + Number(patch);
}
