/**
 * A minimal ELF reader that finds the sections and global variables of a BPF object.
 *
 * @see elf(5)
 */
import { ObjectFileError } from '../errors';

/** One section of an ELF file. */
export interface ElfSection {
  /** Name, such as `'.BTF'`. */
  readonly name: string;
  /** Type (`SHT_*`): 1 for contents, 2 for a symbol table, 8 for zeros that are not stored in the file. */
  readonly type: number;
  /** Contents, which share memory with the file. Empty for a section that is not stored in the file. */
  readonly data: Buffer;
  /** Size in memory, in bytes. */
  readonly size: number;
  /** Index of the section that this one refers to. For a symbol table: its string table. */
  readonly link: number;
}

/** One global variable, as the symbol table lists it. */
export interface ElfVariable {
  /** Name in C. */
  readonly name: string;
  /** Section that contains it, such as `'.rodata'`. */
  readonly section: string;
  /** Offset of its first byte within the section. */
  readonly offset: number;
  /** Size in bytes. */
  readonly size: number;
}

const EM_BPF = 247;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const STT_OBJECT = 1;

/**
 * Reads the sections of a BPF object.
 *
 * @param file - contents of the file. The sections share its memory
 * @param subject - name of the file, for error messages
 * @returns the sections, by their index in the file
 * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if it is not an object that clang wrote for the target `bpfel`
 */
export function elfSections(file: Buffer, subject: string): ElfSection[] {
  const fail = (reason: string): never => {
    throw new ObjectFileError(subject, reason, { hint: 'compile it with: clang -O2 -g -target bpf -c' });
  };
  if (file.length === 0) fail('the file is empty');
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46) fail('it is not an ELF file');
  if (file[4] !== 2) fail('it is not a 64-bit ELF file');
  if (file[5] !== 1) fail('it is big-endian and this machine is little-endian');
  const machine = file.readUInt16LE(18);
  if (machine !== EM_BPF) fail(`it holds code for machine ${machine}, not for BPF (${EM_BPF})`);
  const table = Number(file.readBigUInt64LE(40));
  const entrySize = file.readUInt16LE(58);
  const count = file.readUInt16LE(60);
  const namesIndex = file.readUInt16LE(62);
  if (count === 0 || entrySize < 64 || table + count * entrySize > file.length) fail('the file is cut short');

  const raw = Array.from({ length: count }, (_, index) => {
    const at = table + index * entrySize;
    const type = file.readUInt32LE(at + 4);
    const offset = Number(file.readBigUInt64LE(at + 24));
    const size = Number(file.readBigUInt64LE(at + 32));
    if (type !== SHT_NOBITS && offset + size > file.length) fail(`section ${index} reaches past the end of the file`);
    return {
      nameOffset: file.readUInt32LE(at),
      type,
      data: type === SHT_NOBITS ? Buffer.alloc(0) : file.subarray(offset, offset + size),
      size,
      link: file.readUInt32LE(at + 40),
    };
  });
  const names = raw[namesIndex]?.data ?? Buffer.alloc(0);
  return raw.map(({ nameOffset, ...section }) => ({ ...section, name: stringAt(names, nameOffset) }));
}

/**
 * Lists the global variables of an object.
 *
 * @param sections - all sections of the object
 * @returns the variables in the order of the symbol table
 */
export function elfVariables(sections: readonly ElfSection[]): ElfVariable[] {
  const variables: ElfVariable[] = [];
  for (const table of sections) {
    if (table.type !== SHT_SYMTAB) continue;
    const names = sections[table.link]?.data ?? Buffer.alloc(0);
    for (let at = 0; at + 24 <= table.data.length; at += 24) {
      const section = sections[table.data.readUInt16LE(at + 6)];
      if (((table.data[at + 4] ?? 0) & 0xf) !== STT_OBJECT || section === undefined) continue;
      variables.push({
        name: stringAt(names, table.data.readUInt32LE(at)),
        section: section.name,
        offset: Number(table.data.readBigUInt64LE(at + 8)),
        size: Number(table.data.readBigUInt64LE(at + 16)),
      });
    }
  }
  return variables;
}

/**
 * Reads a NUL-terminated string from a string table.
 *
 * @param table - the string table
 * @param offset - index of the first byte
 * @returns the text, or an empty string if the offset is outside of the table
 */
export function stringAt(table: Buffer, offset: number): string {
  if (offset >= table.length) return '';
  const end = table.indexOf(0, offset);
  return table.toString('utf8', offset, end === -1 ? table.length : end);
}
