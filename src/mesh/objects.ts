import { join } from 'node:path';

/** Directory of the compiled objects. Both `src/mesh` and `dist/mesh` are two levels below the package. */
const directory = join(__dirname, '..', '..', 'dist', 'objects');

/**
 * A compiled object that the package ships, for little-endian machines (x86-64 and arm64).
 *
 * - `'merbridge'`: the programs and maps of an accelerator.
 * - `'probe'`: the program with which a start tests the kernel.
 */
export type ObjectName = 'merbridge' | 'probe';

/**
 * Returns the path of a compiled object of this package, for users who load it with their own tools.
 *
 * @param name - which object
 * @returns absolute path of the ELF file
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
