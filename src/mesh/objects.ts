import { join } from 'node:path';

/** Both `src/mesh` and `dist/mesh` are two levels below the package, and the compiled objects are in `dist/objects`. */
const directory = join(__dirname, '..', '..', 'dist', 'objects');

/** The compiled programs that the package ships. Little-endian: for x86-64 and arm64. */
export type ObjectName = 'merbridge' | 'probe';

/**
 * Path of a compiled object of this package, for users who load it with their own tools.
 *
 * @param name - which one
 * @example
 * ```ts
 * import { objectPath } from 'merbridge';
 * import { OpenBpfObject } from 'merbridge/bpf';
 *
 * using open = OpenBpfObject.openFile(objectPath('merbridge'));
 * console.log(open.programs().map((program) => program.name));
 * ```
 */
export function objectPath(name: ObjectName): string {
  return join(directory, `${name}.bpf.o`);
}
