import type { Codec } from './codec';

/** Codecs of the fields of a struct, in the order of the C declaration. The keys are the names of the fields. */
// `any`: a codec both takes and returns its value, so no other type argument accepts every codec.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type StructFields = Readonly<Record<string, Codec<any>>>;

/** The decoded value of a struct: an object with one property for each field. */
export type StructValue<F extends StructFields> = { [N in keyof F]: F[N] extends Codec<infer T> ? T : never };

/** Codec of a C struct. It also tells the offset of each field. */
export interface StructCodec<F extends StructFields> extends Codec<StructValue<F>> {
  /** Name of the C struct, for messages. */
  readonly name: string;
  /** Alignment of the struct in bytes: the largest alignment of its fields. */
  readonly alignment: number;
  /** Offset of each field from the start of the struct, in bytes. */
  readonly offsets: { readonly [N in keyof F]: number };
}

/**
 * A codec for a C struct.
 *
 * Fields are aligned as C aligns them, and the size is rounded up to the largest alignment. Padding is always written
 * as zero, because hash maps compare keys byte by byte, padding included.
 *
 * @param fields - codecs of the fields, in the order of the C declaration
 * @param options - `name` is the name of the C struct, for messages. Default: `'struct'`
 * @returns the codec. Its `encode` throws a TypeError for a value that is not an object, and what the codecs of the
 * fields throw
 * @throws RangeError if `fields` is empty
 *
 * @example
 * ```ts
 * import { ipAddress, port, struct, u32 } from 'merbridge/bpf';
 *
 * // struct endpoint { struct in6_addr ip; __be16 port; __u32 flags; };
 * const endpoint = struct({ ip: ipAddress, port, flags: u32 }, { name: 'endpoint' });
 * endpoint.size; // 24
 * endpoint.offsets.flags; // 20
 * ```
 */
export function struct<const F extends StructFields>(
  fields: F,
  options: { name?: string | undefined } = {},
): StructCodec<F> {
  const name = options.name ?? 'struct';
  const members: Array<{ key: string; codec: Codec<unknown>; offset: number }> = [];
  const gaps: Array<readonly [number, number]> = [];
  let end = 0;
  let alignment = 1;
  const skipTo = (offset: number): void => {
    if (offset > end) gaps.push([end, offset]);
    end = offset;
  };
  for (const [key, codec] of Object.entries(fields)) {
    const own = codec.alignment ?? 1;
    alignment = Math.max(alignment, own);
    skipTo(roundUp(end, own));
    members.push({ key, codec: codec as Codec<unknown>, offset: end });
    end += codec.size;
  }
  if (members.length === 0) throw new RangeError(`${name}: a struct needs at least one field`);
  skipTo(roundUp(end, alignment));
  const size = end;
  return {
    size,
    alignment,
    name,
    offsets: Object.freeze(Object.fromEntries(members.map(({ key, offset }) => [key, offset]))) as {
      [N in keyof F]: number;
    },
    encode: (value, buf, offset) => {
      if (typeof value !== 'object' || value === null) {
        throw new TypeError(`${name}: an object is needed, got ${value === null ? 'null' : typeof value}`);
      }
      for (const [from, to] of gaps) buf.fill(0, offset + from, offset + to);
      for (const member of members) {
        member.codec.encode((value as Record<string, unknown>)[member.key], buf, offset + member.offset);
      }
    },
    decode: (buf, offset) => {
      const value: Record<string, unknown> = {};
      for (const member of members) value[member.key] = member.codec.decode(buf, offset + member.offset);
      return value as StructValue<F>;
    },
  };
}

function roundUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}
