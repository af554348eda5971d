/**
 * The foreign function interface, loaded once. Everything that this library needs from ffi-napi and ref-napi goes
 * through the typed members below, so that no other file depends on their types.
 */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

import { LibraryLoadError } from '../errors';
import { addonError } from './addon';

/** C types of arguments and results. A pointer is a `size_t`, see {@link Ffi.address}. */
export type CType = 'int' | 'uint32' | 'uint64' | 'size_t' | 'bool' | 'void';

/** A struct type of ref-struct-di, as far as it is used. */
export interface StructType {
  readonly size: number;
  /** Views bytes as a struct. */
  new (bytes: Buffer): Record<string, number>;
}

/** An array type of ref-array-di. */
export type ArrayType = new (length: number) => {
  readonly buffer: Buffer;
  readonly length: number;
  readonly [index: number]: number;
};

/** What this library uses from ffi-napi, ref-napi, ref-struct-di and ref-array-di. */
export interface Ffi {
  /** dlopen(3) and dlsym(3). */
  readonly dl: { readonly dlopen: Buffer; readonly dlsym: Buffer };
  /**
   * Opens a shared library. Throws the message of dlopen.
   *
   * @param file - name or path
   * @returns its handle
   */
  open(file: string): number;
  /**
   * Wraps foreign memory in a buffer that does not own it. Each call causes a full garbage collection, see
   * dynamic-library.ts.
   *
   * @param address - first byte
   * @param length - number of bytes
   * @returns the buffer
   */
  wrap(address: number, length: number): Buffer;
  /**
   * Describes a C function to libffi.
   *
   * @param returns - type of the result
   * @param args - types of the arguments
   * @returns the description. It must stay alive while calls are made with it
   */
  signature(returns: CType, args: readonly CType[]): Buffer;
  /**
   * Calls a C function. Nothing is checked.
   *
   * @param signature - description of the function
   * @param fn - address of the function
   * @param result - receives the result; at least eight bytes
   * @param argv - one address for each argument
   */
  call(signature: Buffer, fn: Buffer, result: Buffer, argv: Buffer): void;
  /**
   * Creates a C function that runs `body`.
   *
   * @param signature - description of the function
   * @param resultSize - size of the result in bytes
   * @param argc - number of arguments
   * @param body - receives the memory of the result and the addresses of the arguments
   * @returns the address of the function. Keep it alive while C may call it
   */
  callback(signature: Buffer, resultSize: number, argc: number, body: (result: Buffer, argv: Buffer) => void): Buffer;
  /**
   * Reads errno of this thread, as the last call left it.
   *
   * @returns the error number
   */
  errno(): number;
  /**
   * Reads the address of the first byte of a buffer. This does not keep the buffer alive.
   *
   * @param buffer - the buffer
   * @returns the address
   */
  address(buffer: Buffer): number;
  /**
   * Defines a struct type.
   *
   * @param fields - C type of each field by name
   * @returns the type
   */
  struct(fields: Readonly<Record<string, string>>): StructType;
  /**
   * Defines an array type.
   *
   * @param type - C type of the elements
   * @returns the type
   */
  array(type: string): ArrayType;
}

/**
 * The parts of ffi-napi's internal module that a call without allocations needs. They are the same in 4.0.0 to 4.0.3.
 */
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
 * Returns the foreign function interface.
 *
 * @returns the interface
 * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if the native addon cannot be loaded, or if a worker thread would
 * be the first to load it
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if there is no file descriptor left to load it with
 */
export function ffi(): Ffi {
  // Not tried again: a second attempt would find half-initialised modules of a bundler.
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
    // The addon keeps state of the thread that loads it first. If that is a worker, the process crashes when the worker
    // ends.
    throw new LibraryLoadError(['ffi-napi'], {
      library: 'ffi-napi',
      reason: 'a worker thread would be the first to load it',
      hint: 'load merbridge in the main thread before a worker thread does',
    });
  }
  const napi = require('ffi-napi') as typeof import('ffi-napi');
  const ref = require('ref-napi') as typeof import('ref-napi');
  const bindings = require('ffi-napi/lib/bindings') as Bindings;
  // Loaded together with the addon instead of at first use: if one of them is missing, nothing works.
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
      // An exception cannot propagate through C frames. Bodies catch their own; this is for a bug in one.
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

// The main thread loads the addon immediately, so that workers that start later can use it. An error is reported to the
// first caller, because importing the library for its types or codecs must work everywhere.
if (isMainThread && process.platform === 'linux') {
  try {
    ffi();
  } catch {
    // stored in `failure`, or tried again if only a file descriptor was missing
  }
}
