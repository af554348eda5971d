import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/** How libbpf is called by the package managers of the common distributions. */
export const LIBBPF_PACKAGES = 'Debian and Ubuntu: libbpf1, Fedora: libbpf, Alpine: libbpf';

/** What is known about a library that did not load. */
export interface LibraryLoadErrorOptions extends BpfErrorOptions {
  /** Version of the library, when it loaded but is too old. */
  version?: string | undefined;
  /** Which library it is. Default: libbpf. */
  library?: 'libbpf' | 'ffi-napi' | undefined;
  /** Why it did not load, in the words of whoever tried. */
  reason?: string | undefined;
}

/**
 * The shared library of libbpf could not be loaded, or it is too old; or the native addon could not, by which it is
 * called.
 *
 * Install libbpf (Debian and Ubuntu `libbpf1`, Fedora `libbpf`, Alpine `libbpf`), or name the file in the environment
 * variable `MERBRIDGE_LIBBPF`. What the addon lacks is in the hint: it does not go into a bundle, and Node.js can be
 * told to load none.
 */
export class LibraryLoadError extends BpfError {
  declare readonly code: 'ERR_BPF_LIBRARY_LOAD';
  /** Names and paths that were tried, in order; `['ffi-napi']` for the native addon. */
  readonly tried: readonly string[];
  /** Version that was found, such as `'0.5'`; absent when none was. */
  declare readonly version?: string;

  /**
   * @param tried - names and paths that were tried
   * @param options - version found, and the usual facts
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
