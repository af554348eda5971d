/**
 * Explains why the native addon cannot be loaded, and what to do. The messages of Node.js and of the dynamic linker say
 * neither.
 */
import { closeSync, openSync } from 'node:fs';
import { arch, platform } from 'node:os';

import { exhausted, LibraryLoadError, type BpfError } from '../errors';

/** Properties of a machine that decide whether a binary fits. */
export interface Machine {
  readonly platform: string;
  readonly arch: string;
  /** Version of the C library, if it is glibc. */
  readonly glibc: string | undefined;
}

/** Properties of this machine. Reading them takes milliseconds, so it happens only after a failure. */
function thisMachine(): Machine {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return { platform: platform(), arch: arch(), glibc: header.glibcVersionRuntime };
}

/**
 * Tests whether there are no file descriptors left. Without them, the module loader reports an existing file as
 * missing, and the dynamic linker has messages of its own.
 */
function descriptorsAreExhausted(): unknown {
  try {
    closeSync(openSync('/dev/null', 'r'));
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Platforms for which the package has binaries. */
const SERVED = 'Linux with glibc on x64 and arm64';

/**
 * Returns a hint for a failed load.
 *
 * @param error - error that `require` threw
 * @param machine - properties of the machine
 * @returns the hint
 */
export function addonHint(error: unknown, machine: Machine): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_DLOPEN_DISABLED')
    return 'Node.js is configured to load no addons: add --allow-addons to the permission flags, and remove --no-addons';
  if (code === 'ERR_ACCESS_DENIED')
    return 'the permission model of Node.js hides its files: allow them with --allow-fs-read=*';
  if (machine.platform !== 'linux' || !['x64', 'arm64'].includes(machine.arch))
    return `there is no binary for ${machine.platform} on ${machine.arch}, only for ${SERVED}`;
  if (machine.glibc === undefined)
    return 'this Node.js is built for another C library than glibc (musl, as in Alpine): use an image with glibc, such as node:22-slim';
  if (/failed to map segment|Operation not permitted/.test(message))
    return 'the dynamic linker cannot map it: the file system of node_modules is mounted noexec, or a security module refused';
  if (code === 'ERR_DLOPEN_FAILED')
    return `the binary does not fit this machine (glibc ${machine.glibc}, ${machine.arch}): install the package on this machine, or in an image of the same kind`;
  if (code === 'MODULE_NOT_FOUND' || /No native build was found/.test(message))
    return (
      'its binary is not beside its code. Do not bundle merbridge: exclude it (esbuild --external:merbridge, externals of webpack, external of ' +
      'rollup) and ship node_modules with it; or install it again'
    );
  return `there are binaries for ${SERVED}`;
}

/**
 * Creates the error for a failed load of the addon.
 *
 * @param error - error that `require` threw
 * @returns the error to throw
 */
export function addonError(error: unknown): BpfError {
  const exhaustion = exhausted(descriptorsAreExhausted()) ?? exhausted(error);
  if (exhaustion !== undefined) return exhausted(exhaustion, { operation: 'require', subject: 'ffi-napi' })!;
  const reason = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0];
  return new LibraryLoadError(['ffi-napi'], {
    library: 'ffi-napi',
    reason,
    cause: error,
    hint: addonHint(error, thisMachine()),
  });
}
