/**
 * Shared libraries and their symbols.
 *
 * ffi-napi wraps each handle and each symbol in a buffer over foreign memory. ref-napi 3.0.3 tells the engine that each
 * of these buffers holds a gigabyte, and the engine answers with a full garbage collection. So dlopen(3) and dlsym(3)
 * are called here with signatures that return numbers. A call needs a buffer that begins at the function: it is a view
 * into a window of a gigabyte, which is wrapped once for all symbols in it.
 */
import { bindLazily, type FunctionRow } from './bind';
import { ffi } from './ffi';

const DL_FUNCTIONS = {
  dlopen: { returns: 'address', args: ['string', 'int'] },
  dlsym: { returns: 'address', args: ['size', 'string'] },
} as const satisfies Record<string, FunctionRow>;

/** What the process itself has: the executable, and the libraries that it was linked with. */
const RTLD_DEFAULT = 0;
const RTLD_NOW = 2;

/** Bytes of a window. ref-napi makes no smaller one. */
const WINDOW = 2 ** 30;
/** No library is in the first page: the kernel does not map it. */
const PAGE = 4096;

const dl = bindLazily(DL_FUNCTIONS, name => ffi().dl[name]);

/** Windows by their first address. A window owns no memory; the views keep it alive. */
const windows = new Map<number, Buffer>();

/** A shared library that was opened. It stays open until the process ends. */
export interface SharedLibrary {
  /** Address of a symbol, or `undefined` when the library does not have it. */
  symbol(name: string): Buffer | undefined;
}

/**
 * Opens a shared library by name or path.
 *
 * @throws Error with what dlopen says
 */
export function openLibrary(file: string): SharedLibrary {
  // ffi-napi tries again, and says why it fails.
  const handle = dl.dlopen(file, RTLD_NOW) || ffi().open(file);
  return { symbol: name => symbolOf(handle, name) };
}

/**
 * Address of a function of the C library, or of one that the Node.js executable exports; `undefined` when there is
 * none.
 */
export function processSymbol(name: string): Buffer | undefined {
  return symbolOf(RTLD_DEFAULT, name);
}

function symbolOf(handle: number, name: string): Buffer | undefined {
  const address = dl.dlsym(handle, name);
  return address === 0 ? undefined : viewOf(address);
}

/** A buffer of one byte at an address. */
function viewOf(address: number): Buffer {
  // An executable may be linked to low addresses, and a window cannot begin at 0, which is NULL.
  const base = Math.floor(address / WINDOW) * WINDOW || PAGE;
  let window = windows.get(base);
  if (window === undefined) {
    window = ffi().wrap(base, WINDOW);
    windows.set(base, window);
  }
  return window.subarray(address - base, address - base + 1);
}
