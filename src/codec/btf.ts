/**
 * Reads BTF, the type information of a BPF object, from the ELF section ".BTF" that clang writes.
 *
 * @see https://docs.kernel.org/bpf/btf.html
 */
import { ObjectFileError } from '../errors';
import { elfSections, stringAt } from './elf';

/** enum btf_kind of linux/btf.h, those that sizes depend on. */
const Kind = {
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;

/** One member of a C struct or union. */
export interface BtfMember {
  /** Name in C. Empty for an anonymous struct or union. */
  readonly name: string;
  /** Offset of its first byte from the start of the struct, in bytes. */
  readonly offset: number;
  /** Size of its type in bytes. For a bit field: the size of the integer that contains it. */
  readonly size: number;
}

/** The memory layout of a C struct, as the compiler chose it. */
export interface StructLayout {
  /** Name in C. */
  readonly name: string;
  /** Size in bytes, as sizeof returns it. */
  readonly size: number;
  /** Members in the order of the declaration. */
  readonly members: readonly BtfMember[];
}

interface BtfType {
  readonly kind: number;
  readonly name: string;
  /** Either a size in bytes or the id of another type, depending on the kind. */
  readonly sizeOrType: number;
  readonly kindFlag: boolean;
  readonly data: Buffer;
  readonly count: number;
}

/** Number of bytes that follow the common header of a type. */
function trailing(kind: number, count: number): number {
  switch (kind) {
    case Kind.INT:
    case Kind.VAR:
    case Kind.DECL_TAG:
      return 4;
    case Kind.ARRAY:
      return 12;
    case Kind.STRUCT:
    case Kind.UNION:
    case Kind.DATASEC:
    case Kind.ENUM64:
      return count * 12;
    case Kind.ENUM:
    case Kind.FUNC_PROTO:
      return count * 8;
    default:
      return 0;
  }
}

/** The types that one BPF object declares. */
export class Btf {
  /** Indexed by type id. Id 0 is void, which BTF does not store. */
  readonly #types: ReadonlyArray<BtfType | undefined>;
  readonly #strings: Buffer;
  readonly #subject: string;

  private constructor(types: ReadonlyArray<BtfType | undefined>, strings: Buffer, subject: string) {
    this.#types = types;
    this.#strings = strings;
    this.#subject = subject;
  }

  /**
   * Parses the contents of a ".BTF" section.
   *
   * @param section - contents of the section, little endian
   * @param subject - name of the object, for error messages
   * @returns the types
   * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if the bytes are not valid BTF
   */
  static parse(section: Buffer, subject = 'BTF'): Btf {
    const fail = (reason: string): never => {
      throw new ObjectFileError(subject, `its type information is damaged: ${reason}`);
    };
    if (section.length < 24 || section.readUInt16LE(0) !== 0xeb9f) fail('wrong magic number');
    const headerLength = section.readUInt32LE(4);
    const typesAt = headerLength + section.readUInt32LE(8);
    const typesEnd = typesAt + section.readUInt32LE(12);
    const stringsAt = headerLength + section.readUInt32LE(16);
    const stringsEnd = stringsAt + section.readUInt32LE(20);
    if (typesEnd > section.length || stringsEnd > section.length) fail('it is cut short');
    const strings = section.subarray(stringsAt, stringsEnd);
    const types: Array<BtfType | undefined> = [undefined];
    for (let at = typesAt; at < typesEnd;) {
      if (at + 12 > typesEnd) fail('a type is cut short');
      const info = section.readUInt32LE(at + 4);
      const kind = (info >>> 24) & 0x1f;
      const count = info & 0xffff;
      const end = at + 12 + trailing(kind, count);
      if (end > typesEnd) fail('a type is cut short');
      types.push({
        kind,
        count,
        kindFlag: info >>> 31 === 1,
        name: stringAt(strings, section.readUInt32LE(at)),
        sizeOrType: section.readUInt32LE(at + 8),
        data: section.subarray(at + 12, end),
      });
      at = end;
    }
    return new Btf(types, strings, subject);
  }

  /**
   * Returns the layout of a struct or union.
   *
   * @param name - its C tag (the name after `struct` or `union`) or the name of a typedef of it
   * @returns size and members
   * @throws RangeError if the object has no such type
   */
  struct(name: string): StructLayout {
    for (const type of this.#types) {
      if (type === undefined || type.name !== name) continue;
      const target = type.kind === Kind.TYPEDEF ? this.#resolve(type.sizeOrType) : type;
      if (target?.kind !== Kind.STRUCT && target?.kind !== Kind.UNION) continue;
      return { name, size: target.sizeOrType, members: this.#members(target) };
    }
    throw new RangeError(`${this.#subject}: no struct "${name}" in its type information`);
  }

  /**
   * Looks up a global variable.
   *
   * @param name - name in C
   * @returns its size in bytes and whether its type is a signed integer, or `undefined` if there is no such variable
   */
  variable(name: string): { size: number; signed: boolean } | undefined {
    const type = this.#types.find(candidate => candidate?.kind === Kind.VAR && candidate.name === name);
    if (type === undefined) return undefined;
    const target = this.#resolve(type.sizeOrType);
    const signed = target?.kind === Kind.INT && (target.data.readUInt32LE(0) & (1 << 24)) !== 0;
    return { size: this.#sizeOf(type.sizeOrType), signed };
  }

  #members(type: BtfType): BtfMember[] {
    return Array.from({ length: type.count }, (_, index) => {
      const at = index * 12;
      const typeId = type.data.readUInt32LE(at + 4);
      const bits = type.data.readUInt32LE(at + 8);
      return {
        name: stringAt(this.#strings, type.data.readUInt32LE(at)),
        // If the kind flag is set, the upper eight bits hold the width of a bit field.
        offset: Math.floor((type.kindFlag ? bits & 0xff_ffff : bits) / 8),
        size: this.#sizeOf(typeId),
      };
    });
  }

  /** Follows typedefs and qualifiers to the underlying type. */
  #resolve(id: number): BtfType | undefined {
    let type = this.#types[id];
    for (let depth = 0; type !== undefined && depth < 32; depth++) {
      const passes: readonly number[] = [Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG];
      if (!passes.includes(type.kind)) return type;
      type = this.#types[type.sizeOrType];
    }
    return type;
  }

  #sizeOf(id: number, depth = 0): number {
    const type = this.#resolve(id);
    if (type === undefined || depth > 32) return 0;
    if (type.kind === Kind.PTR) return 8;
    if (type.kind === Kind.ARRAY) return this.#sizeOf(type.data.readUInt32LE(0), depth + 1) * type.data.readUInt32LE(8);
    const sized: readonly number[] = [Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.DATASEC];
    return sized.includes(type.kind) ? type.sizeOrType : 0;
  }
}

/**
 * Reads the memory layout of a C struct from an object file, to check that a struct codec agrees with it.
 *
 * @param object - contents of an object file that was compiled with `-g`
 * @param name - C tag of the struct
 * @returns size and members of the struct
 * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if the bytes are not a BPF object, or if it was compiled without type
 * information
 * @throws RangeError if it has no such struct
 */
export function structLayout(object: Buffer, name: string): StructLayout {
  return objectBtf(object, 'object').struct(name);
}

/**
 * Reads the types that an object file declares.
 *
 * @param object - contents of an object file that was compiled with `-g`
 * @param subject - name of the object, for error messages
 * @returns the types
 * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if the bytes are not a BPF object, or if it was compiled without type
 * information
 */
export function objectBtf(object: Buffer, subject: string): Btf {
  const section = elfSections(object, subject).find(candidate => candidate.name === '.BTF');
  if (section === undefined) {
    throw new ObjectFileError(subject, 'it has no type information', { hint: 'compile it with -g' });
  }
  return Btf.parse(section.data, subject);
}
