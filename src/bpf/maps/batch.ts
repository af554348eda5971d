/**
 * Access to many entries with one system call: BPF_MAP_*_BATCH of bpf(2), since Linux 5.6, later for some map types.
 */
import { Errno, IterationAbortedError } from '../../errors';
import { libbpf, systemError, type MapCalls } from '../../native';

/** Maximum number of entries in one system call. It bounds the memory of the call; more would not be faster. */
const CHUNK = 65_536;

/** What the functions of this file need from a map. */
export interface BatchMap {
  readonly fd: number;
  readonly label: string;
  readonly keySize: number;
  /** Size of a value in bytes, as the kernel copies it. */
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly calls: MapCalls;
}

/** Whether the kernel lacks the batch operation. Before Linux 5.6 it does not know the command at all. */
function unsupported(result: number): boolean {
  return result === -Errno.ENOTSUPP || result === -Errno.EOPNOTSUPP || result === -Errno.EINVAL;
}

/** Progress of a batch call: the number of processed entries, and the error number that stopped it (0 if none did). */
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
    // If a call is refused before it starts, the kernel leaves the count unchanged.
    const counted = count.readUInt32LE(0);
    const applied = counted >= size ? 0 : counted;
    done += applied;
    if (applied > 0 || !unsupported(result)) return { done, errno: -result };
    oneByOne = true;
  }
  return { done, errno: 0 };
}

/**
 * Stores many entries.
 *
 * @param map - map to write
 * @param keys - encoded keys, one after the other
 * @param values - encoded values, one after the other
 * @param total - number of entries
 * @param flags - 0 any, 1 create only, 2 update only. The kernel accepts only 0 for a batch, so others store one by one
 * @returns how far it came
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

/**
 * Deletes many entries. Keys that do not exist are skipped.
 *
 * @param map - map to change
 * @param keys - encoded keys, one after the other
 * @param total - number of keys
 * @returns number of deleted entries
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
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
 * A hash map is read bucket by bucket. So every entry that exists from start to end is seen exactly once, even if
 * others are added or deleted meanwhile.
 *
 * @param map - map to read
 * @param batchSize - number of entries for each system call. It grows if a bucket has more
 * @yields batches of entries
 * @returns a generator of batches
 * @throws IterationAbortedError (`ERR_BPF_ITERATION_ABORTED`) if the map changes faster than it can be read
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
 */
export function* readEntries(map: BatchMap, batchSize: number): Generator<EntryBatch, void, undefined> {
  let size = Math.max(1, Math.min(batchSize, map.maxEntries));
  let keys = Buffer.alloc(size * map.keySize);
  let values = Buffer.alloc(size * map.valueBytes);
  const count = Buffer.alloc(4);
  // Hash maps write a 32-bit bucket number there, even if their keys are shorter.
  let from = Buffer.alloc(Math.max(4, map.keySize));
  let to = Buffer.alloc(Math.max(4, map.keySize));
  let first = true;
  let interrupted = 0;
  let seen = 0;
  for (;;) {
    count.writeUInt32LE(size, 0);
    const result = libbpf.bpf_map_lookup_batch(map.fd, first ? null : from, to, keys, values, count, null);
    if (result === -Errno.ENOSPC && size < map.maxEntries) {
      // A bucket is larger than the buffers; nothing was returned. A bucket cannot have more entries than the map.
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
    // If others fill and empty the map all the time, the iteration might never end. More than twice the capacity of the
    // map is taken as a sign of that.
    if (seen > map.maxEntries * 2 + size) throw new IterationAbortedError(seen, { subject: map.label });
    if (got > 0) yield { keys, values, count: got };
    if (result === -Errno.ENOENT) return;
    [from, to] = [to, from];
    first = false;
    interrupted = 0;
  }
}

/**
 * Reads a map key by key, which every kernel and every map type supports.
 *
 * If the current key was deleted meanwhile, the kernel restarts from the first key. Therefore the number of steps is
 * limited to the number of entries that the map can hold.
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
    // Done before the entry is returned, because the caller may delete it.
    keys.copy(calls.key);
    result = calls.nextKey(false);
    calls.next.copy(next);
    if (found === 0) yield { keys, values, count: 1 };
  }
  if (result !== -Errno.ENOENT) {
    throw systemError(-result, { operation: 'bpf_map_get_next_key', subject: map.label });
  }
}
