import type { Codec } from './codec';

/**
 * A codec that stores one of a fixed set of names as a number, like a C enum.
 *
 * Names and numbers outside of the set are refused in both directions, because they mean that user space and the BPF
 * program are of different versions.
 *
 * @param names - every name and its number
 * @param codec - codec of the number
 * @returns the codec. Its `encode` throws a RangeError for an unknown name, and its `decode` throws one for an unknown
 * number
 * @throws RangeError if two names have the same number
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
