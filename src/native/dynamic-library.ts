/**
 * Shared libraries and their symbols.
 *
 * ffi-napi wraps each handle and each symbol in a buffer over foreign memory. ref-napi 3.0.3 reports each of these
 * buffers to the engine as a gigabyte of memory, and the engine answers with a full garbage collection. Therefore
 * dlopen(3) and dlsym(3) are called here with signatures that return numbers. A call needs a buffer that begins at the
 * function. This buffer is a view into a window of a gigabyte, which is wrapped once for all symbols in it.
 */
import { bindLazily, type FunctionRow } from './bind';
import { ffi } from './ffi';

const DL_FUNCTIONS = {
  dlopen: { returns: 'address', args: ['string', 'int'] },
  dlsym: { returns: 'address', args: ['size', 'string'] },
} as const satisfies Record<string, FunctionRow>;

/** Searches the process itself: the executable, and the libraries that it was linked with. */
const RTLD_DEFAULT = 0;
const RTLD_NOW = 2;

/** Size of a window in bytes. ref-napi makes no smaller one. */
const WINDOW = 2 ** 30;
/** No library is in the first page, because the kernel does not map it. */
const PAGE = 4096;

const dl = bindLazily(DL_FUNCTIONS, name => ffi().dl[name]);

/** Windows by their first address. A window owns no memory. Its views keep it alive. */
const windows = new Map<number, Buffer>();

/** An open shared library. It stays open until the process ends. */
export interface SharedLibrary {
  /**
   * Looks up a symbol.
   *
   * @param name - name of the symbol
   * @returns its address as a buffer, or `undefined` if the library does not have it
   */
  symbol(name: string): Buffer | undefined;
}

/**
 * Opens a shared library.
 *
 * @param file - name or path
 * @returns the library
 * @throws Error (of ffi-napi, with the message of dlopen) if it cannot be opened
 */
export function openLibrary(file: string): SharedLibrary {
  // If this fails, ffi-napi tries again and reports why.
  const handle = dl.dlopen(file, RTLD_NOW) || ffi().open(file);
  return { symbol: name => symbolOf(handle, name) };
}

/**
 * Looks up a function of the C library, or one that the Node.js executable exports.
 *
 * @param name - name of the function
 * @returns its address as a buffer, or `undefined` if there is none
 */
export function processSymbol(name: string): Buffer | undefined {
  return symbolOf(RTLD_DEFAULT, name);
}

function symbolOf(handle: number, name: string): Buffer | undefined {
  const address = dl.dlsym(handle, name);
  return address === 0 ? undefined : viewOf(address);
}

/** Returns a buffer of one byte at an address. */
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
