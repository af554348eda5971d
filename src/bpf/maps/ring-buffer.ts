import { closeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Codec } from '../../codec';
import { RingInUseError } from '../../errors';
import { FdWatch } from '../../native';
import { closeOnError, duplicateFd } from '../fd';
import { refuseUnknown } from '../../checks';
import { BpfMap, buildMap, createMap, pinnedMap, requireMap, viewOf, type MapSource } from './map';
import { RingMemory } from './ring-memory';

/** Codec of the records of a ring buffer. */
export interface RingBufferCodecs<T> {
  /** Codec of a record. Records of another size are skipped and counted in `skipped`. */
  value: Codec<T>;
}

/** Options for a new ring buffer. */
export interface CreateRingBufferOptions<T> extends RingBufferCodecs<T> {
  /** Name of the map: letters, digits, "_" and ".". The kernel keeps the first 15 bytes. */
  name: string;
  /** Size in bytes: a power of two and a multiple of the page size. Each record has a header of 8 bytes. */
  bytes: number;
}

/**
 * Maximum number of records that are consumed in one turn of the event loop, so that a flood of records does not block
 * it.
 */
const TURN = 1024;

/** Ids of the maps that this process consumes. All readers of a map share one position. */
const consumed = new Set<number>();

/**
 * A ring buffer: programs write records, and one reader consumes them in the order in which their space was reserved.
 *
 * Consume it either with {@link RingBuffer.consume}, which calls a function for every record, or with `for await`.
 * Before that nothing is consumed, and while there are no records nothing runs. If the reader is too slow, the ring
 * fills up, and `bpf_ringbuf_reserve` and `bpf_ringbuf_output` fail in the program. The kernel does not count lost
 * records; the program has to, as the programs of this package do.
 *
 * All readers share one position in the kernel. A second reader in this process is refused. A reader in another process
 * is not detected, and takes records away.
 *
 * Map type: `BPF_MAP_TYPE_RINGBUF`. Since Linux 5.8. Records can be consumed only in the main thread.
 *
 * @see https://docs.kernel.org/bpf/ringbuf.html
 *
 * @example
 * ```ts
 * import { OpenBpfObject, RingBuffer, struct, u32, u64 } from 'merbridge/bpf';
 *
 * async function print(): Promise<void> {
 *   using object = OpenBpfObject.openFile('events.bpf.o').load();
 *   const events = RingBuffer.from(object.map('events'), { value: struct({ time: u64, pid: u32 }) });
 *   for await (const { time, pid } of events) console.log(`${time} ns: process ${pid}`);
 * }
 * void print();
 * ```
 */
export class RingBuffer<T> extends BpfMap implements AsyncIterable<T> {
  readonly #codec: Codec<T>;
  #memory: RingMemory | undefined;
  #watch: FdWatch | undefined;
  #watchFd = -1;
  #listener: ((record: T) => void) | undefined;
  /** Ends the wait of an iteration. */
  #awake: (() => void) | undefined;
  /** Position after the last record that was returned, until its space is released. */
  #taken: number | undefined;
  #keepsAlive = true;
  #skipped = 0;

  private constructor(source: MapSource, codecs: RingBufferCodecs<T>) {
    super(source);
    requireMap(this, { types: ['ringbuf'] });
    this.#codec = codecs.value;
  }

  /**
   * Creates a ring buffer in the kernel.
   *
   * @param options - name, codec and size of the ring buffer
   * @returns the ring buffer. The caller closes it
   * @throws TypeError if the name or an option is invalid
   * @throws RangeError if `bytes` is not a positive 32-bit integer
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; errnoName is `'EINVAL'` if `bytes` is not a power
   * of two or not a multiple of the page size
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks CAP_BPF
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static create<T>(options: CreateRingBufferOptions<T>): RingBuffer<T> {
    refuseUnknown(options, 'create', { known: ['name', 'value', 'bytes'] });
    const { name, bytes } = options;
    return buildMap(
      createMap('ringbuf', { name, keySize: 0, valueSize: 0, maxEntries: bytes }),
      source => new RingBuffer(source, options),
    );
  }

  /**
   * Creates a typed view on an existing map.
   *
   * @param map - map of the same type and sizes, usually from a loaded object
   * @param codecs - codecs of the entries
   * @returns the view. It shares the file descriptor of `map` and is closed together with it
   * @throws MapIncompatibleError (`ERR_BPF_MAP_INCOMPATIBLE`) if the type or a size differs
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  static from<T>(map: BpfMap, codecs: RingBufferCodecs<T>): RingBuffer<T> {
    return new RingBuffer(viewOf(map), codecs);
  }

  /**
   * Opens a pinned ring buffer. Records that were not consumed are still in it.
   *
   * @param path - path of the pin in a BPF file system
   * @param codecs - codecs of the entries
   * @returns the map. The caller closes it; the pin remains
   * @throws MapIncompatibleError (`ERR_BPF_MAP_INCOMPATIBLE`) if the type or a size differs
   * @throws TypeError if the path is not a non-empty string
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the pin cannot be opened; errnoName is `'ENOENT'` if nothing is pinned
   * there, and `'EINVAL'` if the pin is not a map
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if /proc is not mounted
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static fromPin<T>(path: string, codecs: RingBufferCodecs<T>): RingBuffer<T> {
    return buildMap(pinnedMap(path), source => new RingBuffer(source, codecs));
  }

  /**
   * Number of records that were skipped since reading started, because their size differs from that of the codec or the
   * codec refused them.
   */
  get skipped(): number {
    return this.#skipped;
  }

  /** How often all records in the ring had to be skipped, because another reader had moved the position. */
  get damaged(): number {
    return this.#memory?.damaged ?? 0;
  }

  /** Number of bytes that wait to be consumed, of `maxEntries`. 0 if the ring is not being read. */
  get pending(): number {
    return this.#memory?.pending ?? 0;
  }

  /** Whether a function or an iteration consumes the records. */
  get active(): boolean {
    return this.#watch !== undefined;
  }

  /**
   * Calls a function for every record, starting with the records that already wait, from the next turn of the event
   * loop.
   *
   * An exception of the function is an uncaught exception. If the process survives it, consumption continues with the
   * next record. The function may call `stop()` and `close()`.
   *
   * @param listener - receives each decoded record
   * @returns this ring buffer
   * @throws TypeError if `listener` is not a function
   * @throws RingInUseError (`ERR_BPF_RING_IN_USE`) if this process already consumes the records
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if called in a worker thread
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  consume(listener: (record: T) => void): this {
    if (typeof listener !== 'function') throw new TypeError('consume: a function is needed');
    this.#begin();
    this.#listener = listener;
    this.#watch!.start();
    return this;
  }

  /** Ends `consume()` or the iteration, whose loop then ends. Records that were not consumed stay in the ring. */
  stop(): void {
    const watch = this.#watch;
    if (watch === undefined) return;
    this.#giveBack();
    this.#watch = undefined;
    this.#listener = undefined;
    consumed.delete(this.id);
    watch.close();
    closeSync(this.#watchFd);
    this.#awake?.();
  }

  /**
   * Iterates over the records, and waits for more until the ring is stopped or closed. While the body of the loop
   * handles a record, the others stay in the ring.
   *
   * @returns an asynchronous generator of records
   * @throws RingInUseError (`ERR_BPF_RING_IN_USE`) if this process already consumes the records
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if called in a worker thread
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the map is closed
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    const watch = this.#begin();
    const mine = (): boolean => this.#watch === watch;
    try {
      for (let taken = 0; ;) {
        for (const record of this.#take()) {
          yield record;
          if (!mine()) return;
          // While records keep coming, promises alone would never yield to the event loop.
          if (++taken % TURN === 0) await nextTurn();
          if (!mine()) return;
        }
        await new Promise<void>(resolve => {
          this.#awake = resolve;
          watch.start();
        });
        this.#awake = undefined;
        if (!mine()) return;
        watch.stop();
      }
    } finally {
      if (mine()) this.stop();
    }
  }

  /**
   * Allows the process to exit while it waits for records.
   *
   * @returns this ring buffer
   */
  unref(): this {
    this.#keepsAlive = false;
    this.#watch?.keepAlive(false);
    return this;
  }

  /**
   * Reverts {@link RingBuffer.unref}.
   *
   * @returns this ring buffer
   */
  ref(): this {
    this.#keepsAlive = true;
    this.#watch?.keepAlive(true);
    return this;
  }

  /** @internal */
  protected override release(): void {
    this.stop();
    this.#memory?.close();
    this.#memory = undefined;
    super.release();
  }

  #begin(): FdWatch {
    this.ensureOpen();
    if (consumed.has(this.id)) throw new RingInUseError(this.label);
    // A descriptor of its own, because libuv watches each descriptor only once in a process.
    this.#watchFd = duplicateFd(this.unsafeFd(), this.label);
    this.#watch = closeOnError(this.#watchFd, fd => {
      this.#memory ??= new RingMemory(fd, this.maxEntries, this.label);
      return new FdWatch(fd, () => this.#onReadable());
    });
    this.#watch.keepAlive(this.#keepsAlive);
    consumed.add(this.id);
    return this.#watch;
  }

  #onReadable(): void {
    const listener = this.#listener;
    if (listener === undefined) {
      this.#awake?.();
      return;
    }
    const watch = this.#watch;
    let turn = TURN;
    // After a full turn or an exception, the ring is still readable, so the rest is announced again.
    for (const record of this.#take()) {
      listener(record);
      if (this.#watch !== watch || --turn === 0) return;
    }
  }

  /**
   * Yields the available records until the reader is stopped. The space of a batch is released when the next one is
   * read, or at the stop.
   */
  *#take(): Generator<T, void, undefined> {
    const memory = this.#memory!;
    const watch = this.#watch;
    try {
      for (let batch = memory.next(); batch !== undefined; batch = memory.next()) {
        for (const record of batch.records) {
          this.#taken = batch.from + record.end;
          const value = record.discarded ? undefined : this.#decode(batch.bytes, record.start, record.length);
          if (value !== undefined) yield value.record;
          if (this.#watch !== watch) return;
        }
        this.#giveBack();
      }
    } finally {
      if (this.#watch === watch) this.#giveBack();
    }
  }

  #giveBack(): void {
    if (this.#taken === undefined) return;
    this.#memory?.release(this.#taken);
    this.#taken = undefined;
  }

  #decode(bytes: Buffer, start: number, length: number): { record: T } | undefined {
    if (length === this.#codec.size) {
      try {
        return { record: this.#codec.decode(bytes, start) };
      } catch {
        // A program of another version wrote it.
      }
    }
    this.#skipped += 1;
    return undefined;
  }
}
