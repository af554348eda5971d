import { release, version } from 'node:os';
import { KernelAdvisoryError, UnreadNotCountedError } from '../errors';
import type { FionreadCounts } from './datapath/fionread';
import { kernelAdvisories } from './kernel-advisories';

/** A warning about the kernel: bugs that it may have, or a feature that it lacks for `'full'`. */
export type MeshWarning = KernelAdvisoryError | UnreadNotCountedError;

/**
 * Warns about this kernel. Each warning comes once, and only for features in use: redirection alone puts no socket into
 * a sockmap.
 *
 * @internal
 */
export class KernelWarnings {
  readonly #all: MeshWarning[] = [];

  /**
   * @param ignored - `true` for no warnings, or a list of CVE numbers and `'FIONREAD'` not to warn about
   * @param fionreadCounts - which bytes FIONREAD counts on this kernel
   * @param tell - receives each warning
   */
  constructor(
    private readonly ignored: boolean | readonly string[],
    private readonly fionreadCounts: FionreadCounts,
    private readonly tell: (warning: MeshWarning) => void,
  ) {}

  /** All warnings so far. */
  get all(): readonly MeshWarning[] {
    return this.#all;
  }

  /** Warns about known bugs of this kernel. Call this when acceleration is on. */
  ofAcceleration(): void {
    if (this.#has('ERR_BPF_KERNEL_ADVISORY')) return;
    const advisories = kernelAdvisories(release(), version()).filter(({ id }) => !this.#isIgnored(id));
    if (advisories.length > 0) this.#add(new KernelAdvisoryError(release(), advisories));
  }

  /**
   * Warns if FIONREAD does not count redirected bytes on this kernel.
   *
   * @param isWanted - tells whether any pod uses `'full'`. It is called only if that matters
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
