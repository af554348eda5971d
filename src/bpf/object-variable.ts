import { u16, u32, u64, u8, type Codec } from '../codec';

/** What the default codec of a variable reads and writes. */
export type VariableValue = number | bigint | boolean | Uint8Array;

/** A global variable's place in its section. */
export interface VariablePlace {
  readonly name: string;
  readonly section: string;
  readonly offset: number;
  readonly size: number;
  readonly signed: boolean;
}

/** The bytes of a section, before load. */
export interface SectionAccess {
  read(section: string): Buffer;
  write(section: string, bytes: Buffer): void;
}

/**
 * A global variable of an object that is not loaded yet: a `const volatile` setting, which the verifier takes for a
 * constant, or a variable's first value.
 *
 * @example
 * ```ts
 * import { OpenBpfObject } from 'merbridge/bpf';
 *
 * const open = OpenBpfObject.openFile('connect.bpf.o');
 * // In C: const volatile __u16 proxy_port = 15001;
 * open.variable('proxy_port').set(15006);
 * const object = open.load();
 * object.close();
 * ```
 */
export class BpfVariable {
  /** Name in C. */
  readonly name: string;
  /** Section it lies in: `.rodata`, `.data` or `.bss`, or one that starts so. */
  readonly section: string;
  /** Size in bytes. */
  readonly size: number;
  readonly #place: VariablePlace;
  readonly #access: SectionAccess;

  private constructor(place: VariablePlace, access: SectionAccess) {
    this.name = place.name;
    this.section = place.section;
    this.size = place.size;
    this.#place = place;
    this.#access = access;
  }

  /** @internal */
  static make(place: VariablePlace, access: SectionAccess): BpfVariable {
    return new BpfVariable(place, access);
  }

  /** Its value, read by a codec. */
  get<T>(codec: Codec<T>): T;
  /** Its value: a number up to 4 bytes, a bigint for 8, a Buffer of its own for other sizes. */
  get(): number | bigint | Buffer;
  get<T>(codec?: Codec<T>): T | number | bigint | Buffer {
    const { section, offset, size, signed } = this.#place;
    const bytes = this.#access.read(section).subarray(offset, offset + size);
    if (codec !== undefined) {
      this.#checkSize(codec.size);
      return codec.decode(bytes, 0);
    }
    if (size === 8) return signed ? bytes.readBigInt64LE(0) : bytes.readBigUInt64LE(0);
    if (size === 1 || size === 2 || size === 4) return signed ? bytes.readIntLE(0, size) : bytes.readUIntLE(0, size);
    return Buffer.from(bytes);
  }

  /**
   * Sets its value, written by a codec.
   *
   * @throws RangeError when the size of the codec is not that of the variable
   */
  set<T>(value: T, codec: Codec<T>): void;
  /**
   * Sets its value.
   *
   * @param value - an integer or boolean for 1, 2, 4 or 8 bytes in the byte order of this machine, or exactly its bytes
   * @throws RangeError when the value does not fit
   * @throws ClosedError `ERR_BPF_CLOSED` when the object was closed or loaded
   */
  set(value: VariableValue): void;
  set<T>(value: T | VariableValue, codec?: Codec<T>): void {
    const { section, offset, size } = this.#place;
    const bytes = this.#access.read(section);
    if (codec !== undefined) {
      this.#checkSize(codec.size);
      codec.encode(value as T, bytes, offset);
    } else if (value instanceof Uint8Array) {
      this.#checkSize(value.length);
      bytes.set(value, offset);
    } else {
      this.#integer(value as number | bigint | boolean, bytes.subarray(offset, offset + size));
    }
    this.#access.write(section, bytes);
  }

  #integer(value: number | bigint | boolean, bytes: Buffer): void {
    const plain: Partial<Record<number, Codec<number>>> = { 1: u8, 2: u16, 4: u32 };
    const codec = plain[this.size];
    if (codec === undefined && this.size !== 8) {
      throw new TypeError(`variable "${this.name}" has ${this.size} bytes; give a codec or a Buffer of that size`);
    }
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      throw new RangeError(`variable "${this.name}": an integer is needed, got ${value}`);
    }
    if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'boolean') {
      throw new TypeError(`variable "${this.name}": an integer, a boolean or bytes are needed, got ${typeof value}`);
    }
    let wide = BigInt(value);
    // Two's complement, for a signed variable only.
    if (this.#place.signed && wide < 0n) {
      if (wide < -(1n << BigInt(this.size * 8 - 1)))
        throw new RangeError(`variable "${this.name}": ${value} is too small`);
      wide = BigInt.asUintN(this.size * 8, wide);
    }
    if (codec === undefined) u64.encode(wide, bytes, 0);
    else codec.encode(Number(wide), bytes, 0);
  }

  #checkSize(size: number): void {
    if (size !== this.size) {
      throw new RangeError(`variable "${this.name}" has ${this.size} bytes, but the value has ${size}`);
    }
  }
}
