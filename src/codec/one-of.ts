import type { Codec } from './codec';

/**
 * One of a few names, stored as a number: a C enum.
 *
 * @param names - every name and its number
 * @param codec - how the number is stored
 * @throws RangeError when two names share a number. Encoding throws a RangeError for a name, and decoding one for a
 * number, that is not in the list: it would be silently wrong otherwise, and it means the two sides differ in version
 *
 * @example
 * ```ts
 * import { oneOf, u8 } from 'merbridge/bpf';
 *
 * const scope = oneOf({ off: 1, proxies: 2, full: 3 }, u8);
 * // Codec<'off' | 'proxies' | 'full'>
 * ```
 */
export function oneOf<const N extends Readonly<Record<string, number>>>(
  names: N,
  codec: Codec<number>,
): Codec<keyof N & string> {
  const numbers = new Map(Object.entries(names));
  const texts = new Map([...numbers].map(([text, number]) => [number, text as keyof N & string]));
  const list = [...numbers.keys()].join(', ');
  if (texts.size !== numbers.size) throw new RangeError(`oneOf: two names share a number among ${list}`);
  return {
    size: codec.size,
    alignment: codec.alignment ?? 1,
    name: `oneOf(${list})`,
    encode: (value, buf, offset) => {
      const number = numbers.get(value);
      if (number === undefined) throw new RangeError(`one of ${list} is needed, got ${JSON.stringify(value)}`);
      codec.encode(number, buf, offset);
    },
    decode: (buf, offset) => {
      const number = codec.decode(buf, offset);
      const text = texts.get(number);
      if (text === undefined) throw new RangeError(`${number} stands for none of ${list}`);
      return text;
    },
  };
}
