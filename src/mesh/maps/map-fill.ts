import { setImmediate } from 'node:timers/promises';
import { BpfArrayMap, type BpfMap } from '../../bpf';
import { EntryCounter } from '../../bpf/internal';
import { IterationAbortedError } from '../../errors';
import { mbSocketCount } from '../abi/structs';

/** Fill level of one map. */
export interface MapFill {
  /** Name of the map. */
  readonly map: string;
  /** Number of entries. `undefined` if the map changed faster than it could be counted. */
  readonly entries: number | undefined;
  /** Maximum number of entries. */
  readonly maxEntries: number;
  /**
   * Whether it is an LRU map, which evicts the least recently used entries when it is full. Its entries are rarely
   * deleted otherwise, so its fill level says little.
   */
  readonly evicts: boolean;
}

/** Maps that can become full, in the order in which they are reported. */
export const COUNTED_MAPS = [
  'local_pod_ips',
  'pod_rules',
  'pod_rule_ports',
  'pod_rule_ranges',
  'sock_pair_map',
  'pair_original_dst',
  'process_ip',
] as const;

/** Maximum time that counting blocks the event loop, and number of entries between two looks at the clock. */
const TURN_MS = 2;
const STRIDE = 256;

/**
 * Counts the entries of the maps that can become full. The kernel does not report their number, so each map is read, at
 * 0.3 µs per entry. The event loop gets a turn every two milliseconds. The programs count the entries of
 * `sock_pair_map`. If their number is not available, that map is read at 2 µs per entry or more.
 *
 * @internal
 * @param find - returns the map of a name, or `undefined` if there is none. The map has to stay open
 * @returns one element for each map that exists
 * @throws ClosedError (`ERR_BPF_CLOSED`) if a map is closed meanwhile
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

/** The number that the programs count. It includes closed sockets whose connection has not ended yet. */
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
