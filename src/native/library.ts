/** Finds and opens libbpf, and binds its functions. */
import { existsSync } from 'node:fs';

import { LIBBPF_PACKAGES, LibraryLoadError, NotSupportedError, exhausted } from '../errors';
import { bindLazily, type FunctionRow } from './bind';
import { openLibrary, type SharedLibrary } from './dynamic-library';
import { ffi } from './ffi';
import { prepare } from './prepared';
import { LIBBPF_FUNCTIONS } from './symbols';

/** Name for the dynamic linker: major version 1, the only one whose errors and option structs are supported. */
const SONAME = 'libbpf.so.1';

/** Release that has all functions without a `since`. */
const BASELINE = '1.0';

let library: SharedLibrary | undefined;

/**
 * Returns the version of libbpf in use.
 *
 * @returns major and minor number, such as `'1.1'`
 * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
 */
export function libbpfVersion(): string {
  const opened = open();
  return `${number(opened, 'libbpf_major_version') ?? 0}.${number(opened, 'libbpf_minor_version') ?? 0}`;
}

/**
 * Looks up a function of libbpf.
 *
 * @param name - name of the function
 * @param row - its signature
 * @returns its address as a buffer
 * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
 * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if libbpf is too old for this function
 */
export function libbpfSymbol(name: string, row: FunctionRow): Buffer {
  const address = open().symbol(name);
  if (address === undefined) {
    throw new NotSupportedError(`${name}()`, {
      minimumLibbpf: row.since ?? BASELINE,
      hint: `libbpf ${libbpfVersion()} is installed; update the package (${LIBBPF_PACKAGES})`,
    });
  }
  return address;
}

/** Functions of libbpf. Each is looked up when it is first used. */
export const libbpf = bindLazily(LIBBPF_FUNCTIONS, libbpfSymbol);

function open(): SharedLibrary {
  if (library !== undefined) return library;
  // An explicit path is the only candidate: falling back to another libbpf would hide a wrong path.
  const override = process.env['MERBRIDGE_LIBBPF'];
  const tried = override === undefined || override === '' ? SONAME : override;
  ffi(); // Its errors do not concern libbpf.
  let candidate: SharedLibrary;
  try {
    candidate = openLibrary(tried);
  } catch (error) {
    throw exhausted(error, { operation: 'dlopen', subject: tried }) ?? notLoaded(tried, error as Error);
  }
  const major = number(candidate, 'libbpf_major_version');
  // Releases before 0.7 do not have this function.
  if (major === undefined) throw new LibraryLoadError([tried], { reason: 'it is not libbpf, or older than 0.7' });
  if (major < 1)
    throw new LibraryLoadError([tried], { version: `${major}.${number(candidate, 'libbpf_minor_version') ?? 0}` });
  library = candidate;
  return library;
}

/**
 * The hint is to install libbpf, unless the file exists and something else is wrong: a library that it needs is
 * missing, or it is for another machine.
 */
function notLoaded(tried: string, error: NodeJS.ErrnoException): LibraryLoadError {
  // ffi-napi reads the file that the dynamic linker names, and reports ENOENT if it is missing: `path` may be that of a
  // library that libbpf needs.
  if (error.code === 'ENOENT' && error.path === tried) return new LibraryLoadError([tried], { cause: error });
  const isThere = existsSync(tried);
  return new LibraryLoadError([tried], {
    cause: error,
    reason:
      error.code === 'ENOENT' && error.path !== undefined
        ? `it needs ${error.path}, which is missing`
        : error.message.replace(/^Dynamic Linking Error: /, ''),
    ...(isThere && {
      hint: `the file exists, but is not for this machine: install the one of its distribution (${LIBBPF_PACKAGES})`,
    }),
  });
}

/** Calls a function without arguments that returns a u32. */
function number(from: SharedLibrary, name: string): number | undefined {
  const address = from.symbol(name);
  return address === undefined ? undefined : (prepare(address, 'u32', [])() as number);
}
