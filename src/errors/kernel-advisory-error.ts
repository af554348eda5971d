import { MerbridgeError, defineError } from './merbridge-error';

/** A known bug of a kernel. */
export interface KernelAdvisory {
  /** Its number, such as `'CVE-2025-38154'`. */
  readonly id: string;
  /** What goes wrong, in a few words. */
  readonly summary: string;
  /**
   * First mainline release with the fix, counted from the running one: in its own stable series or, if that series
   * reached its end of life without the fix, in a later one.
   */
  readonly fixedIn: string;
  /**
   * Whether the release number proves that the bug is present. False for a distribution kernel, which has its own
   * numbers and may contain the fix.
   */
  readonly certain: boolean;
}

/**
 * The running kernel has, or may have, known bugs in sockmap, the code that moves bytes between sockets.
 *
 * This is only a warning, in the `warning` event and in the `warnings` of a `MeshAccelerator`. It is never thrown, and
 * the library switches nothing off because of it.
 *
 * @example
 * ```ts
 * import { KernelAdvisoryError, type MeshAccelerator } from 'merbridge';
 *
 * function report(mesh: MeshAccelerator): void {
 *   for (const warning of mesh.warnings) {
 *     if (!(warning instanceof KernelAdvisoryError)) continue;
 *     for (const { id, fixedIn } of warning.advisories) console.warn(`${id}: fixed in Linux ${fixedIn}`);
 *   }
 * }
 * ```
 */
export class KernelAdvisoryError extends MerbridgeError {
  /** Always `'ERR_BPF_KERNEL_ADVISORY'`. */
  declare readonly code: 'ERR_BPF_KERNEL_ADVISORY';
  /** The bugs, at least one. */
  readonly advisories: readonly KernelAdvisory[];

  /**
   * Creates the error.
   *
   * @param release - release of the running kernel, as `uname -r` prints it
   * @param advisories - its known bugs, at least one
   */
  constructor(release: string, advisories: readonly KernelAdvisory[]) {
    const list = advisories.map(({ id, summary, fixedIn }) => `${id} (${summary}; fixed in ${fixedIn})`).join(', ');
    const told = advisories.every(({ certain }) => certain)
      ? `Linux ${release} has known faults in its sockmap: ${list}`
      : `Linux ${release} may have these known faults in its sockmap, its release number does not tell: ${list}`;
    super(
      'ERR_BPF_KERNEL_ADVISORY',
      {
        hint:
          'nothing was switched off; update the kernel, or ask its distribution, which may have the fixes under another number, and then add ' +
          'them to ignoreAdvisories',
      },
      told,
    );
    this.advisories = advisories;
  }
}

defineError(KernelAdvisoryError, 'KernelAdvisoryError');
