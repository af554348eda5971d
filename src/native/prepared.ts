/**
 * Calls without allocations.
 *
 * The usual proxy of ffi-napi allocates two buffers and one for each argument in every call. This costs about 20 µs,
 * and keeps memory until the event loop turns. A prepared call describes the function once, keeps one block for the
 * arguments, and writes integers and addresses directly into it. This takes about 1 µs and leaves nothing to collect.
 *
 * A prepared call must not be re-entered. JavaScript is single-threaded, and no callback that this library passes to C
 * calls the function that called it, so this cannot happen.
 */
import { ffi, type CType } from './ffi';

/** How an argument is passed: numbers as they are, buffers as the address of their first byte, strings with a NUL. */
export type ArgKind = 'int' | 'u32' | 'u64' | 'size' | 'pointer' | 'string';
/** How a result is read. `address` is a pointer as a number, 0 for NULL. */
export type ReturnKind = 'int' | 'u32' | 'size' | 'bool' | 'address' | 'void';

/** TypeScript type of an argument. Addresses are numbers: user space of both architectures is below 2^53. */
export type ArgValue<K extends ArgKind> = K extends 'pointer'
  ? Buffer | number | null
  : K extends 'string'
    ? string | null
    : number;
/** TypeScript type of a result. */
export type ReturnValue<K extends ReturnKind> = K extends 'void' ? void : K extends 'bool' ? boolean : number;

const C_ARG: Record<ArgKind, CType> = {
  int: 'int',
  u32: 'uint32',
  u64: 'uint64',
  size: 'size_t',
  pointer: 'size_t',
  string: 'size_t',
};
const C_RETURN: Record<ReturnKind, CType> = {
  int: 'int',
  u32: 'uint32',
  size: 'size_t',
  bool: 'bool',
  address: 'size_t',
  void: 'void',
};

const TWO_32 = 0x1_0000_0000;

/**
 * Writes a non-negative integer below 2^53 as 64 bits, little endian. It avoids BigInt, which would allocate.
 *
 * @param buffer - buffer to write to
 * @param value - the integer
 * @param offset - index of the first byte
 */
export function writeWord(buffer: Buffer, value: number, offset: number): void {
  const high = Math.floor(value / TWO_32);
  buffer.writeUInt32LE(value - high * TWO_32, offset);
  buffer.writeUInt32LE(high, offset + 4);
}

/**
 * Reads 64 bits as a number, little endian. It is exact below 2^53, as sizes and addresses are.
 *
 * @param buffer - buffer to read from
 * @param offset - index of the first byte
 * @returns the number
 */
export function readWord(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset) + buffer.readUInt32LE(offset + 4) * TWO_32;
}

/** Memory for arguments. `argv` contains the address of each eight-byte slot. */
export interface ArgumentBlock {
  readonly slots: Buffer;
  readonly argv: Buffer;
}

/**
 * Allocates an argument block. Its memory is not from the shared pool, because its address is kept.
 *
 * @param count - number of arguments
 * @returns the block
 */
export function argumentBlock(count: number): ArgumentBlock {
  const slots = Buffer.alloc(Math.max(count, 1) * 8);
  const argv = Buffer.alloc(Math.max(count, 1) * 8);
  const base = ffi().address(slots);
  for (let i = 0; i < count; i++) writeWord(argv, base + i * 8, i * 8);
  return { slots, argv };
}

/**
 * Describes a function, for {@link prepare} and for callers with their own argument blocks.
 *
 * @param returns - how the result is read
 * @param args - how the arguments are passed
 * @returns the description. It must stay alive while calls are made with it
 */
export function signatureOf(returns: ReturnKind, args: readonly ArgKind[]): Buffer {
  return ffi().signature(
    C_RETURN[returns],
    args.map(kind => C_ARG[kind]),
  );
}

/**
 * Prepares a C function for calls.
 *
 * @param fn - its address, as a library returned it
 * @param returns - how its result is read
 * @param args - how its arguments are passed
 * @returns a function with as many parameters. Buffers passed to it must stay alive while C uses them
 */
export function prepare(
  fn: Buffer,
  returns: ReturnKind,
  args: readonly ArgKind[],
): (...values: ReadonlyArray<Buffer | number | string | null>) => number | boolean | undefined {
  const { call, address } = ffi();
  const signature = signatureOf(returns, args);
  const { slots, argv } = argumentBlock(args.length);
  const result = Buffer.alloc(8);
  return (...values) => {
    const texts: Buffer[] = [];
    for (let i = 0; i < args.length; i++) {
      const value = values[i] ?? 0;
      const at = i * 8;
      if (typeof value === 'number') {
        if (args[i] === 'int') slots.writeInt32LE(value, at);
        else writeWord(slots, value, at);
      } else if (typeof value === 'string') {
        const text = Buffer.from(`${value}\0`, 'utf8');
        texts.push(text);
        writeWord(slots, address(text), at);
      } else {
        writeWord(slots, address(value), at);
      }
    }
    call(signature, fn, result, argv);
    // Accessed after the call, so that the engine cannot collect the strings before it.
    texts.length = 0;
    switch (returns) {
      case 'int':
        return result.readInt32LE(0);
      case 'u32':
        return result.readUInt32LE(0);
      case 'bool':
        return result.readUInt8(0) !== 0;
      case 'void':
        return undefined;
      default:
        return readWord(result, 0);
    }
  };
}
