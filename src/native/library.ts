/** Finds and opens libbpf, and binds its functions. */
import { LIBBPF_PACKAGES, LibraryLoadError, NotSupportedError } from '../errors';
import { bindLazily, type FunctionRow } from './bind';
import { ffi, type SharedLibrary } from './ffi';
import { prepare } from './prepared';
import { LIBBPF_FUNCTIONS } from './symbols';

/** Name that the dynamic linker looks up: major version 1, the only one whose errors and opts we know. */
const SONAME = 'libbpf.so.1';

/** Release from which on everything without a `since` is there. */
const BASELINE = '1.0';

let library: SharedLibrary | undefined;

/** Major and minor version of the libbpf in use, such as `'1.1'`. */
export function libbpfVersion(): string {
  const opened = open();
  return `${number(opened, 'libbpf_major_version') ?? 0}.${number(opened, 'libbpf_minor_version') ?? 0}`;
}

/**
 * Address of a function of libbpf.
 *
 * @throws LibraryLoadError when libbpf is not there
 * @throws NotSupportedError when it is there but too old for this function
 */
export function libbpfSymbol(name: string, row: FunctionRow): Buffer {
  const address = open().symbol(name);
  if (address === undefined) {
    throw new NotSupportedError(`${name}()`, {
      minimumLibbpf: row.since ?? BASELINE,
      hint: `libbpf ${libbpfVersion()} is installed; a newer one comes with the package (${LIBBPF_PACKAGES})`,
    });
  }
  return address;
}

/** The functions of libbpf. Each is looked up when it is first used. */
export const libbpf = bindLazily(LIBBPF_FUNCTIONS, libbpfSymbol);

function open(): SharedLibrary {
  if (library !== undefined) return library;
  // An explicit path is the only candidate: falling back to another libbpf would hide the mistake in it.
  const override = process.env['MERBRIDGE_LIBBPF'];
  const tried = override === undefined || override === '' ? SONAME : override;
  const { open: dlopen } = ffi();
  let candidate: SharedLibrary;
  try {
    candidate = dlopen(tried);
  } catch (error) {
    throw new LibraryLoadError([tried], { cause: error });
  }
  const major = number(candidate, 'libbpf_major_version');
  if (major === undefined || major < 1) {
    throw new LibraryLoadError([tried], { version: major === undefined ? 'of an unknown version' : `${major}` });
  }
  library = candidate;
  return library;
}

/** Calls a function without arguments that returns a u32. */
function number(from: SharedLibrary, name: string): number | undefined {
  const address = from.symbol(name);
  return address === undefined ? undefined : (prepare(address, 'u32', [])() as number);
}
