import { release, version } from 'node:os';
import { KernelAdvisoryError, UnreadNotCountedError } from '../errors';
import type { FionreadCounts } from './datapath/fionread';
import { kernelAdvisories } from './kernel-advisories';

/** What is not as it should be: known faults that the kernel may have, and what it cannot do for `'full'`. */
export type MeshWarning = KernelAdvisoryError | UnreadNotCountedError;

/**
 * What there is to warn of on this kernel. Each warning comes once, and only for what is in use: redirection alone puts
 * no socket into a sockmap.
 *
 * @internal
 */
export class KernelWarnings {
  readonly #all: MeshWarning[] = [];

  /**
   * @param ignored - all, or numbers of CVEs and `'FIONREAD'`, of which there is no warning
   * @param fionreadCounts - what FIONREAD counts on this kernel
   * @param tell - gets each warning
   */
  constructor(
    private readonly ignored: boolean | readonly string[],
    private readonly fionreadCounts: FionreadCounts,
    private readonly tell: (warning: MeshWarning) => void,
  ) {}

  /** Those that there were so far. */
  get all(): readonly MeshWarning[] {
    return this.#all;
  }

  /** Acceleration is on: warns of known faults of this kernel. */
  ofAcceleration(): void {
    if (this.#has('ERR_BPF_KERNEL_ADVISORY')) return;
    const advisories = kernelAdvisories(release(), version()).filter(({ id }) => !this.#isIgnored(id));
    if (advisories.length > 0) this.#add(new KernelAdvisoryError(release(), advisories));
  }

  /**
   * Warns where FIONREAD does not count redirected bytes.
   *
   * @param isWanted - whether `'full'` is wanted for all pods or for one; asked only if it matters
   */
  ofFull(isWanted: () => boolean): void {
    if (this.fionreadCounts !== 'stack' || this.#isIgnored('FIONREAD') || this.#has('ERR_BPF_UNREAD_NOT_COUNTED'))
      return;
    if (isWanted()) this.#add(new UnreadNotCountedError(release()));
  }

  #add(warning: MeshWarning): void {
    this.#all.push(warning);
    this.tell(warning);
  }

  #has(code: MeshWarning['code']): boolean {
    return this.#all.some(warning => warning.code === code);
  }

  #isIgnored(id: string): boolean {
    return typeof this.ignored === 'boolean' ? this.ignored : this.ignored.includes(id);
  }
}
