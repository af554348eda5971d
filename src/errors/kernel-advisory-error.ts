import { MerbridgeError, defineError } from './merbridge-error';

/** A known fault of a kernel. */
export interface KernelAdvisory {
  /** Its number, such as `'CVE-2025-38154'`. */
  readonly id: string;
  /** What goes wrong, in a few words. */
  readonly summary: string;
  /**
   * First release of mainline that has the mend, from the running one on: of its own series, or of a later one where
   * that was given up.
   */
  readonly fixedIn: string;
  /** False where the release does not tell: a distribution counts in its own way and may have mended it. */
  readonly certain: boolean;
}

/**
 * The running kernel may have known faults in the code that moves bytes from socket to socket.
 *
 * A warning only, in the `warning` event and the `warnings` of a `MeshAccelerator`: it is never thrown, and nothing is
 * switched off for it.
 */
export class KernelAdvisoryError extends MerbridgeError {
  declare readonly code: 'ERR_BPF_KERNEL_ADVISORY';
  /** The faults, one at least. */
  readonly advisories: readonly KernelAdvisory[];

  /**
   * @param release - what `uname -r` says
   * @param advisories - what is known of it, one at least
   */
  constructor(release: string, advisories: readonly KernelAdvisory[]) {
    const list = advisories.map(({ id, summary, fixedIn }) => `${id} (${summary}; fixed in ${fixedIn})`).join(', ');
    const told = advisories.every(({ certain }) => certain)
      ? `Linux ${release} has known faults in its sockmap: ${list}`
      : `whether Linux ${release} has these faults in its sockmap cannot be told from its number: ${list}`;
    super(
      'ERR_BPF_KERNEL_ADVISORY',
      {
        hint:
          'nothing was switched off; update the kernel, or ask its distribution, which may have the mends under another number, and then name ' +
          'them in ignoreAdvisories',
      },
      told,
    );
    this.advisories = advisories;
  }
}

defineError(KernelAdvisoryError, 'KernelAdvisoryError');
