import { release } from 'node:os';

/** A release of Linux. */
export interface KernelVersion {
  /** 6 of 6.18.5. */
  readonly major: number;
  /** 18 of 6.18.5. */
  readonly minor: number;
  /** 5 of 6.18.5. */
  readonly patch: number;
  /** The full text, as `uname -r` prints it. */
  readonly release: string;
}

/**
 * The release of the running kernel.
 *
 * Distributions move features to older releases, so ask for a feature by using it and take the number for messages.
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
 * Whether the running kernel is of a release or newer.
 *
 * @param version - such as `'5.7'`
 */
export function kernelAtLeast(version: string): boolean {
  const match = /^(\d+)\.(\d+)$/.exec(version);
  if (match === null) throw new RangeError(`a release such as "5.7" is needed, got ${JSON.stringify(version)}`);
  const running = kernelVersion();
  const major = Number(match[1]);
  return running.major > major || (running.major === major && running.minor >= Number(match[2]));
}
