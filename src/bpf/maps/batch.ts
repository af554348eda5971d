/** Many entries with one system call: BPF_MAP_*_BATCH of bpf(2), since Linux 5.6, later for some kinds of maps. */
import { Errno, IterationAbortedError } from '../../errors';
import { libbpf, systemError, type MapCalls } from '../../native';

/** Entries per system call at most. Bounds the memory of one call; more would not be faster. */
const CHUNK = 65_536;

/** What the functions here need to know of a map. */
export interface BatchMap {
  readonly fd: number;
  readonly label: string;
  readonly keySize: number;
  /** Bytes per value as the kernel copies them. */
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly calls: MapCalls;
}

/** Whether the kernel says that it has no such batch operation. Before Linux 5.6 the command itself is unknown. */
function unsupported(result: number): boolean {
  return result === -Errno.ENOTSUPP || result === -Errno.EOPNOTSUPP || result === -Errno.EINVAL;
}

/** How far a batch call came: entries that were done, and the error number that stopped it, 0 if none did. */
export interface BatchProgress {
  readonly done: number;
  readonly errno: number;
}

function run(
  total: number,
  batch: (from: number, count: Buffer) => number,
  single: (index: number) => number,
): BatchProgress {
  const count = Buffer.alloc(4);
  let done = 0;
  let oneByOne = false;
  while (done < total) {
    if (oneByOne) {
      const result = single(done);
      if (result < 0) return { done, errno: -result };
      done += 1;
      continue;
    }
    const size = Math.min(CHUNK, total - done);
    count.writeUInt32LE(size, 0);
    const result = batch(done, count);
    if (result >= 0) {
      done += size;
      continue;
    }
    // A call that is refused before it starts leaves the count as it was.
    const counted = count.readUInt32LE(0);
    const applied = counted >= size ? 0 : counted;
    done += applied;
    if (applied > 0 || !unsupported(result)) return { done, errno: -result };
    oneByOne = true;
  }
  return { done, errno: 0 };
}

/**
 * Stores `total` entries that lie one after the other in `keys` and `values`.
 *
 * @param flags - 0 any, 1 create only, 2 update only; the kernel knows only 0 for a batch
 */
export function updateEntries(
  map: BatchMap,
  keys: Buffer,
  values: Buffer,
  total: number,
  flags: number,
): BatchProgress {
  const { fd, keySize, valueBytes, calls } = map;
  return run(
    total,
    (from, count) =>
      flags === 0
        ? libbpf.bpf_map_update_batch(
            fd,
            keys.subarray(from * keySize),
            values.subarray(from * valueBytes),
            count,
            null,
          )
        : -Errno.EOPNOTSUPP,
    index => {
      keys.copy(calls.key, 0, index * keySize, (index + 1) * keySize);
      values.copy(calls.value, 0, index * valueBytes, (index + 1) * valueBytes);
      return calls.update(flags);
    },
  );
}

/** Removes the entries of `total` keys; keys that are not there are passed over. Returns how many were removed. */
export function deleteEntries(map: BatchMap, keys: Buffer, total: number): number {
  const { fd, keySize, calls } = map;
  let position = 0;
  let removed = 0;
  while (position < total) {
    const start = position;
    const { done, errno } = run(
      total - start,
      (from, count) => libbpf.bpf_map_delete_batch(fd, keys.subarray((start + from) * keySize), count, null),
      index => {
        keys.copy(calls.key, 0, (start + index) * keySize, (start + index + 1) * keySize);
        return calls.delete();
      },
    );
    removed += done;
    position += done;
    if (errno === 0) break;
    if (errno !== Errno.ENOENT) throw systemError(errno, { operation: 'bpf_map_delete_batch', subject: map.label });
    position += 1;
  }
  return removed;
}

/** Some entries, one after the other in each buffer. Valid until the next step of the iteration. */
export interface EntryBatch {
  readonly keys: Buffer;
  readonly values: Buffer;
  readonly count: number;
}

/**
 * Reads a whole map.
 *
 * A hash map is read bucket by bucket, so every entry that is there from start to end is seen exactly once, whatever
 * else comes and goes.
 *
 * @param batchSize - entries per system call; grows when a bucket holds more
 */
export function* readEntries(map: BatchMap, batchSize: number): Generator<EntryBatch, void, undefined> {
  let size = Math.max(1, Math.min(batchSize, map.maxEntries));
  let keys = Buffer.alloc(size * map.keySize);
  let values = Buffer.alloc(size * map.valueBytes);
  const count = Buffer.alloc(4);
  // Hash maps write a 32-bit bucket number there, however short their keys are.
  let from = Buffer.alloc(Math.max(4, map.keySize));
  let to = Buffer.alloc(Math.max(4, map.keySize));
  let first = true;
  let interrupted = 0;
  let seen = 0;
  for (;;) {
    count.writeUInt32LE(size, 0);
    const result = libbpf.bpf_map_lookup_batch(map.fd, first ? null : from, to, keys, values, count, null);
    if (result === -Errno.ENOSPC && size < map.maxEntries) {
      // A single bucket is larger than the buffers; nothing was handed out. It cannot hold more than the map.
      size *= 2;
      keys = Buffer.alloc(size * map.keySize);
      values = Buffer.alloc(size * map.valueBytes);
      continue;
    }
    if (result === -Errno.EINTR && interrupted < 16) {
      interrupted += 1;
      continue;
    }
    if (first && unsupported(result)) {
      yield* walkEntries(map);
      return;
    }
    if (result < 0 && result !== -Errno.ENOENT) {
      throw systemError(-result, { operation: 'bpf_map_lookup_batch', subject: map.label });
    }
    const got = count.readUInt32LE(0);
    seen += got;
    // Keys of a map that others fill and empty all the time: more than it can hold, twice, is no end in sight.
    if (seen > map.maxEntries * 2 + size) throw new IterationAbortedError(seen, { subject: map.label });
    if (got > 0) yield { keys, values, count: got };
    if (result === -Errno.ENOENT) return;
    [from, to] = [to, from];
    first = false;
    interrupted = 0;
  }
}

/**
 * Reads a map key by key, as every kernel and every kind of map allows.
 *
 * The kernel starts again from the first key when the current one was deleted meanwhile, so the walk is bounded by the
 * number of entries that the map can hold.
 */
function* walkEntries(map: BatchMap): Generator<EntryBatch, void, undefined> {
  const { calls, keySize, valueBytes } = map;
  const keys = Buffer.alloc(keySize);
  const values = Buffer.alloc(valueBytes);
  const next = Buffer.alloc(keySize);
  let result = calls.nextKey(true);
  calls.next.copy(next);
  for (let steps = 0; result === 0; steps++) {
    if (steps >= map.maxEntries) throw new IterationAbortedError(steps, { subject: map.label });
    next.copy(keys);
    keys.copy(calls.key);
    const found = calls.lookup();
    if (found < 0 && found !== -Errno.ENOENT) {
      throw systemError(-found, { operation: 'bpf_map_lookup_elem', subject: map.label });
    }
    calls.value.copy(values);
    // Before the entry is handed out, because the caller may delete it.
    keys.copy(calls.key);
    result = calls.nextKey(false);
    calls.next.copy(next);
    if (found === 0) yield { keys, values, count: 1 };
  }
  if (result !== -Errno.ENOENT) {
    throw systemError(-result, { operation: 'bpf_map_get_next_key', subject: map.label });
  }
}
