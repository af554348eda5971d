/**
 * The foreign function interface, loaded once. Everything this library needs of ffi-napi and ref-napi goes through the
 * few typed members here, so that no type of theirs is named anywhere else.
 */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

import { LibraryLoadError } from '../errors';
import { addonError } from './addon';

/** C types of arguments and results. A pointer is a `size_t`: see {@link Ffi.address}. */
export type CType = 'int' | 'uint32' | 'uint64' | 'size_t' | 'bool' | 'void';

/** A struct type of ref-struct-di, as far as it is used. */
export interface StructType {
  readonly size: number;
  /** A struct in these bytes. */
  new (bytes: Buffer): Record<string, number>;
}

/** An array type of ref-array-di. */
export type ArrayType = new (length: number) => {
  readonly buffer: Buffer;
  readonly length: number;
  readonly [index: number]: number;
};

/** What this library uses of ffi-napi, ref-napi and the packages of structs and arrays. */
export interface Ffi {
  /** dlopen(3) and dlsym(3). */
  readonly dl: { readonly dlopen: Buffer; readonly dlsym: Buffer };
  /** Opens a shared library by name or path, and returns its handle. Throws what dlopen says. */
  open(file: string): number;
  /**
   * A buffer over foreign memory, which it does not own. Each costs a full garbage collection: see dynamic-library.ts.
   */
  wrap(address: number, length: number): Buffer;
  /** Describes a C function to libffi. The result has to stay alive as long as calls are made with it. */
  signature(returns: CType, args: readonly CType[]): Buffer;
  /** Calls `fn`. `argv` holds one address per argument, `result` has room for eight bytes. Nothing is checked. */
  call(signature: Buffer, fn: Buffer, result: Buffer, argv: Buffer): void;
  /** A C function that runs `body`, which gets the address block of the arguments. Hold it as long as C may call it. */
  callback(signature: Buffer, resultSize: number, argc: number, body: (result: Buffer, argv: Buffer) => void): Buffer;
  /** errno of this thread, as the last call left it. */
  errno(): number;
  /** Address of the first byte of a buffer. Keeps nothing alive. */
  address(buffer: Buffer): number;
  /** Defines a struct, from the name and C type of each field. */
  struct(fields: Readonly<Record<string, string>>): StructType;
  /** Defines an array type, from the C type of its elements. */
  array(type: string): ArrayType;
}

/** The parts of ffi-napi's internal module that a call without allocations needs; the same in 4.0.0 to 4.0.3. */
interface Bindings {
  readonly StaticFunctions: { readonly dlopen: Buffer; readonly dlsym: Buffer };
  ffi_call(signature: Buffer, fn: Buffer, result: Buffer, argv: Buffer): void;
  Callback(
    signature: Buffer,
    resultSize: number,
    argc: number,
    report: (error: unknown) => void,
    body: (result: Buffer, argv: Buffer) => unknown,
  ): Buffer;
}

let loaded: Ffi | undefined;
let failure: LibraryLoadError | undefined;

/**
 * The foreign function interface.
 *
 * @throws LibraryLoadError when the native addon does not load here, or would be loaded by a worker thread first
 * @throws BpfError when there is no file descriptor left to load it with
 */
export function ffi(): Ffi {
  // A second try would find modules that bundlers keep half made.
  if (failure !== undefined) throw failure;
  try {
    return (loaded ??= load());
  } catch (error) {
    const told = error instanceof LibraryLoadError ? error : addonError(error);
    if (told instanceof LibraryLoadError) failure = told;
    throw told;
  }
}

function load(): Ffi {
  if (!isMainThread && !readFileSync('/proc/self/maps', 'latin1').includes('ffi-napi')) {
    // The addon keeps state of the thread that loads it first; if that is a worker, the process crashes when it ends.
    throw new LibraryLoadError(['ffi-napi'], {
      library: 'ffi-napi',
      reason: 'a worker thread would be the first to load it',
      hint: 'load merbridge in the main thread before a worker thread does',
    });
  }
  const napi = require('ffi-napi') as typeof import('ffi-napi');
  const ref = require('ref-napi') as typeof import('ref-napi');
  const bindings = require('ffi-napi/lib/bindings') as Bindings;
  // With the addon, and not when they are first used: where one of them is missing, all of it is.
  const struct = (require('ref-struct-di') as typeof import('ref-struct-di'))(ref);
  const array = (require('ref-array-di') as (ref: object) => (type: string) => ArrayType)(ref);
  const errno = napi.errno;
  const address = ref.address;
  const type = (name: CType) => ref.types[name];
  return {
    dl: bindings.StaticFunctions,
    open: file => {
      const { _handle: handle } = new napi.DynamicLibrary(file, napi.DynamicLibrary.FLAGS.RTLD_NOW) as unknown as {
        _handle: Buffer;
      };
      return address(handle);
    },
    wrap: (at, length) => {
      const pointer = Buffer.alloc(8);
      pointer.writeBigUInt64LE(BigInt(at));
      return ref.readPointer(pointer, 0, length);
    },
    signature: (returns, args) => napi.CIF(type(returns) as never, args.map(type) as never),
    call: bindings.ffi_call,
    callback: (signature, resultSize, argc, body) =>
      // An exception cannot travel through C frames; bodies catch their own, and this catches a mistake in one.
      bindings.Callback(
        signature,
        resultSize,
        argc,
        () => undefined,
        (result, argv) => {
          try {
            body(result, argv);
          } catch {
            result.fill(0);
          }
          return undefined;
        },
      ),
    errno,
    address,
    struct: fields => struct(fields as never),
    array,
  };
}

// In the main thread the addon is loaded at once, so that workers started later can use it. What goes wrong is told to
// the first caller: importing the library for its types or its codecs must work everywhere.
if (isMainThread && process.platform === 'linux') {
  try {
    ffi();
  } catch {
    // remembered in `failure`, or tried again where only a file descriptor was missing
  }
}
