/** What the compiler must accept and refuse. Checked by `npm run typecheck`, never run. */
import { BpfHashMap, u32, u64 } from 'merbridge/bpf';

export function keysAndValues(): void {
  using map = BpfHashMap.create({ name: 'types', key: u32, value: u64, maxEntries: 1 });
  map.set(1, 2n);
  const value: bigint | undefined = map.get(1);
  void value;
  // @ts-expect-error: a 64-bit value is a bigint
  map.set(1, 2);
  // @ts-expect-error: the key is a number
  map.get('1');
  // @ts-expect-error: an absent key reads as undefined
  const certain: bigint = map.get(1);
  void certain;
  // @ts-expect-error: a map needs a size
  BpfHashMap.create({ name: 'types', key: u32, value: u64 });
}
