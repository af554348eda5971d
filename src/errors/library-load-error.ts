import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/** Package names of libbpf in common distributions. */
export const LIBBPF_PACKAGES = 'Debian and Ubuntu: libbpf1, Fedora: libbpf, Alpine: libbpf';

/** Options of a {@link LibraryLoadError}. */
export interface LibraryLoadErrorOptions extends BpfErrorOptions {
  /** Version of the library, if it was loaded but is too old. */
  version?: string | undefined;
  /** The library that could not be loaded. Default: `'libbpf'`. */
  library?: 'libbpf' | 'ffi-napi' | undefined;
  /** Why loading failed, as the loader reported it. */
  reason?: string | undefined;
}

/**
 * The shared library libbpf, or the native addon through which the library calls it, could not be loaded. Or libbpf is
 * too old.
 *
 * Install libbpf (Debian and Ubuntu `libbpf1`, Fedora `libbpf`, Alpine `libbpf`), or set the environment variable
 * `MERBRIDGE_LIBBPF` to its path. For the addon, the hint says what is missing: a bundler cannot include it, and
 * Node.js can be configured not to load addons.
 *
 * @example
 * ```ts
 * import { LibraryLoadError } from 'merbridge';
 * import { possibleCpus } from 'merbridge/bpf';
 *
 * function check(): void {
 *   try {
 *     possibleCpus(); // the first call of libbpf loads it
 *   } catch (error) {
 *     if (!(error instanceof LibraryLoadError)) throw error;
 *     console.error(`tried ${error.tried.join(', ')}; ${error.hint}`);
 *   }
 * }
 * ```
 */
export class LibraryLoadError extends BpfError {
  /** Always `'ERR_BPF_LIBRARY_LOAD'`. */
  declare readonly code: 'ERR_BPF_LIBRARY_LOAD';
  /** Names and paths that were tried, in this order. `['ffi-napi']` for the native addon. */
  readonly tried: readonly string[];
  /** Version that was found, such as `'0.5'`. Absent if none was found. */
  declare readonly version?: string;

  /**
   * Creates the error.
   *
   * @param tried - names and paths that were tried
   * @param options - the version that was found, why loading failed, and where it happened
   */
  constructor(tried: readonly string[], options: LibraryLoadErrorOptions = {}) {
    const { library = 'libbpf', reason, version } = options;
    const name = library === 'libbpf' ? library : `the native addon ${library}`;
    const why = reason === undefined ? '' : `: ${reason}`;
    const what =
      version === undefined
        ? `${name} could not be loaded${library === 'libbpf' ? `, tried ${tried.join(', ')}` : ''}${why}`
        : `libbpf ${version} is too old, at least 1.0 is needed`;
    super(
      'ERR_BPF_LIBRARY_LOAD',
      { hint: `install it (${LIBBPF_PACKAGES}) or set MERBRIDGE_LIBBPF to its path`, ...options },
      what,
    );
    this.tried = Object.freeze([...tried]);
    if (version !== undefined) this.version = version;
  }
}

defineError(LibraryLoadError, 'LibraryLoadError');
