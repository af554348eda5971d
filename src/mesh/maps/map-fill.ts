import { setImmediate } from 'node:timers/promises';
import { BpfArrayMap, type BpfMap } from '../../bpf';
import { EntryCounter } from '../../bpf/internal';
import { IterationAbortedError } from '../../errors';
import { mbSocketCount } from '../abi/structs';

/** How full one map is. */
export interface MapFill {
  /** Its name. */
  readonly map: string;
  /** How many entries it has; `undefined` if it changed faster than it could be counted. */
  readonly entries: number | undefined;
  /** How many it can hold. */
  readonly maxEntries: number;
  /** Whether a full one evicts what was not used for longest. It is as full as it ever was, so this tells little. */
  readonly evicts: boolean;
}

/** Maps that can fill up, in the order in which they are told. */
export const COUNTED_MAPS = [
  'local_pod_ips',
  'pod_rules',
  'pod_rule_ports',
  'pod_rule_ranges',
  'sock_pair_map',
  'pair_original_dst',
  'process_ip',
] as const;

/** How long the event loop waits for a count at most, and how many entries are read between two looks at the clock. */
const TURN_MS = 2;
const STRIDE = 256;

/**
 * Counts the entries of the maps that can fill up. The kernel does not tell their number, so each map is read: 0.3 µs
 * an entry. Every two milliseconds the event loop has its turn. Of `sock_pair_map` the programs keep the number,
 * without which it is read at 2 µs an entry or more.
 *
 * @internal
 * @param find - gives a map, or `undefined` if there is none of that name; it has to stay open
 * @throws ClosedError if a map is closed meanwhile
 */
export async function mapFill(find: (name: string) => BpfMap | undefined): Promise<MapFill[]> {
  const fills: MapFill[] = [];
  for (const name of COUNTED_MAPS) {
    const map = find(name);
    if (map === undefined) continue;
    const told = name === 'sock_pair_map' ? socketCount(map, find('socket_count')) : undefined;
    fills.push({
      map: name,
      entries: told ?? (await count(map)),
      maxEntries: map.maxEntries,
      evicts: map.type.startsWith('lru'),
    });
  }
  return fills;
}

/** As the programs have it: too many by sockets that were closed, but whose connection has not ended yet. */
function socketCount(sockets: BpfMap, map: BpfMap | undefined): number | undefined {
  if (map === undefined) return undefined;
  using counts = BpfArrayMap.from(map, { value: mbSocketCount });
  const open = counts.get(0)?.open;
  return open === undefined ? undefined : Math.min(Math.max(Number(BigInt.asIntN(64, open)), 0), sockets.maxEntries);
}

async function count(map: BpfMap): Promise<number | undefined> {
  using counter = EntryCounter.from(map);
  let entries = 0;
  let turn = performance.now();
  try {
    for (const _ of counter.keys({ batchSize: STRIDE })) {
      entries += 1;
      if (entries % STRIDE !== 0 || performance.now() - turn < TURN_MS) continue;
      await setImmediate();
      turn = performance.now();
    }
  } catch (error) {
    if (error instanceof IterationAbortedError) return undefined;
    throw error;
  }
  return entries;
}
