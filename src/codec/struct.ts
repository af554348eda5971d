import type { Codec } from './codec';

/** Codecs of the fields of a struct, in the order of the C declaration. */
// `any`: a codec takes and gives its value, so no other type of field would fit all of them.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type StructFields = Readonly<Record<string, Codec<any>>>;

/** The value of a struct: an object with one property per field. */
export type StructValue<F extends StructFields> = { [N in keyof F]: F[N] extends Codec<infer T> ? T : never };

/** Codec of a struct; tells where its fields lie. */
export interface StructCodec<F extends StructFields> extends Codec<StructValue<F>> {
  readonly name: string;
  readonly alignment: number;
  /** Offset of each field from the start of the struct, in bytes. */
  readonly offsets: { readonly [N in keyof F]: number };
}

/**
 * A C struct.
 *
 * Fields are aligned as C aligns them, and the size is rounded up to the largest alignment. All padding is written as
 * zero: keys of hash maps are compared byte by byte, padding included.
 *
 * @param fields - codecs of the fields, in the order of the declaration
 * @param options - `name` is the name of the C struct, for messages
 * @throws RangeError for a struct without fields
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
