import { release } from 'node:os';

/** A release of Linux. */
export interface KernelVersion {
  /** The 6 of 6.18.5. */
  readonly major: number;
  /** The 18 of 6.18.5. */
  readonly minor: number;
  /** The 5 of 6.18.5. */
  readonly patch: number;
  /** The full text as `uname -r` prints it. */
  readonly release: string;
}

/**
 * Returns the release of the running kernel.
 *
 * Distributions backport features to older releases. To find out whether the kernel has a feature, try it; use the
 * release only in messages.
 *
 * @returns the numbers and the text. Numbers that the text does not contain are 0
 *
 * @example
 * ```ts
 * import { kernelVersion } from 'merbridge/bpf';
 * const { major, minor } = kernelVersion();
 * console.log(`Linux ${major}.${minor}`);
 * ```
 */
export function kernelVersion(): KernelVersion {
  const text = release();
  const [, major, minor, patch] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text) ?? [];
  return { major: Number(major ?? 0), minor: Number(minor ?? 0), patch: Number(patch ?? 0), release: text };
}

/**
 * Tests whether the running kernel has at least the given release.
 *
 * @param version - major and minor number, such as `'5.7'`
 * @returns whether the running kernel is that release or newer
 * @throws RangeError if `version` is not of the form `'5.7'`
 */
export function kernelAtLeast(version: string): boolean {
  const match = /^(\d+)\.(\d+)$/.exec(version);
  if (match === null) throw new RangeError(`a release such as "5.7" is needed, got ${JSON.stringify(version)}`);
  const running = kernelVersion();
  const major = Number(match[1]);
  return running.major > major || (running.major === major && running.minor >= Number(match[2]));
}
