import { u16, u32, u64, u8, type Codec } from '../codec';

/** A value that can be written to a global variable without a codec. */
export type VariableValue = number | bigint | boolean | Uint8Array;

/** Position of a global variable. */
export interface VariablePlace {
  readonly name: string;
  readonly section: string;
  readonly offset: number;
  readonly size: number;
  readonly signed: boolean;
}

/** Access to the contents of a section before the object is loaded. */
export interface SectionAccess {
  read(section: string): Buffer;
  write(section: string, bytes: Buffer): void;
}

/**
 * A global variable of an object that is not loaded yet: a `const volatile` setting, which the verifier treats as a
 * constant, or the initial value of a variable.
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
  /** Section that contains it: `.rodata`, `.data` or `.bss`, or a name that starts with one of these. */
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

  /**
   * Reads the value with a codec.
   *
   * @param codec - codec of the same size as the variable
   * @returns the value
   * @throws RangeError if the sizes differ
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  get<T>(codec: Codec<T>): T;
  /**
   * Reads the value as an integer in the byte order of this machine.
   *
   * @returns a number for 1, 2 or 4 bytes, a bigint for 8 bytes, and a new Buffer for other sizes
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
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
   * Sets the value with a codec.
   *
   * @param value - new value
   * @param codec - codec of the same size as the variable
   * @throws RangeError if the sizes differ, or the value does not fit
   * @throws TypeError if the value is of the wrong type
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  set<T>(value: T, codec: Codec<T>): void;
  /**
   * Sets the value.
   *
   * @param value - an integer or boolean for 1, 2, 4 or 8 bytes, which is stored in the byte order of this machine; or
   * the exact bytes
   * @throws RangeError if the value does not fit
   * @throws TypeError if the value is of the wrong type, or if the size of the variable needs a codec or bytes
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
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
    // Two's complement, only for a signed variable.
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
