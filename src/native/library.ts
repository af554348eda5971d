/** Finds and opens libbpf, and binds its functions. */
import { existsSync } from 'node:fs';

import { LIBBPF_PACKAGES, LibraryLoadError, NotSupportedError, exhausted } from '../errors';
import { bindLazily, type FunctionRow } from './bind';
import { openLibrary, type SharedLibrary } from './dynamic-library';
import { ffi } from './ffi';
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
  ffi(); // What it throws is not about libbpf.
  let candidate: SharedLibrary;
  try {
    candidate = openLibrary(tried);
  } catch (error) {
    throw exhausted(error, { operation: 'dlopen', subject: tried }) ?? notLoaded(tried, error as Error);
  }
  const major = number(candidate, 'libbpf_major_version');
  // Releases before 0.7 do not tell.
  if (major === undefined) throw new LibraryLoadError([tried], { reason: 'it is not libbpf, or older than 0.7' });
  if (major < 1)
    throw new LibraryLoadError([tried], { version: `${major}.${number(candidate, 'libbpf_minor_version') ?? 0}` });
  library = candidate;
  return library;
}

/**
 * The hint is to install it, unless it is there and something else is in the way: what it needs itself, or another
 * machine's binary.
 */
function notLoaded(tried: string, error: NodeJS.ErrnoException): LibraryLoadError {
  // ffi-napi looks into the file that the dynamic linker names, and says so if there is none: `path` may be that of a
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
      hint: `the file is there, but not for this machine: install its distribution's (${LIBBPF_PACKAGES})`,
    }),
  });
}

/** Calls a function without arguments that returns a u32. */
function number(from: SharedLibrary, name: string): number | undefined {
  const address = from.symbol(name);
  return address === undefined ? undefined : (prepare(address, 'u32', [])() as number);
}
