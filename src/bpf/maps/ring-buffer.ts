import { closeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Codec } from '../../codec';
import { RingInUseError } from '../../errors';
import { FdWatch } from '../../native';
import { closeOnError, duplicateFd } from '../fd';
import { checkOptions } from '../options';
import { BpfMap, buildMap, createMap, pinnedMap, requireMap, viewOf, type MapSource } from './map';
import { RingMemory } from './ring-memory';

/** Codec of the records of a ring buffer. */
export interface RingBufferCodecs<T> {
  /** Codec of a record. Records of another size are passed over, and counted in `skipped`. */
  value: Codec<T>;
}

/** What a new ring buffer is like. */
export interface CreateRingBufferOptions<T> extends RingBufferCodecs<T> {
  /** Letters, digits, "_" and "."; the kernel keeps the first 15 bytes. */
  name: string;
  /** Room for records, each with a header of 8 bytes: a power of two, and a multiple of the page size. */
  bytes: number;
}

/** Records that are taken in one turn of the event loop, so that a flood leaves room for others. */
const TURN = 1024;

/** Ids of the maps that are consumed in this process: there is one position for all readers. */
const consumed = new Set<number>();

/**
 * A ring buffer: programs write records, one reader takes them out, in the order in which room for them was taken.
 *
 * Either {@link RingBuffer.consume} hands every record to a function, or `for await` takes one after the other. Nothing
 * is taken before, and nothing runs while there is nothing to take. A reader that is too slow lets the ring fill up:
 * then `bpf_ringbuf_reserve` and `bpf_ringbuf_output` fail in the program. The kernel does not count that; the program
 * has to, as those of this package do.
 *
 * There is one position for all readers, in the kernel. A second one in this process is refused; one in another process
 * is not noticed, and takes records away.
 *
 * Kernel name: `BPF_MAP_TYPE_RINGBUF`. Since Linux 5.8. Taking records works in the main thread only.
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
  /** Position behind the last record that was handed out, while its room is not given back. */
  #taken: number | undefined;
  #keepsAlive = true;
  #skipped = 0;

  private constructor(source: MapSource, codecs: RingBufferCodecs<T>) {
    super(source);
    requireMap(this, { types: ['ringbuf'] });
    this.#codec = codecs.value;
  }

  /**
   * Creates a map in the kernel. The caller closes it.
   *
   * @throws BpfError with errnoName `'EINVAL'` when `bytes` is not a power of two or not a multiple of the page size
   * @throws PermissionError `ERR_BPF_PERMISSION` without CAP_BPF
   */
  static create<T>(options: CreateRingBufferOptions<T>): RingBuffer<T> {
    checkOptions(options, ['name', 'value', 'bytes'], 'create');
    const { name, bytes } = options;
    return buildMap(
      createMap('ringbuf', { name, keySize: 0, valueSize: 0, maxEntries: bytes }),
      source => new RingBuffer(source, options),
    );
  }

  /**
   * A typed view on a map of an object. It is closed with the object.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when it is of another kind
   */
  static from<T>(map: BpfMap, codecs: RingBufferCodecs<T>): RingBuffer<T> {
    return new RingBuffer(viewOf(map), codecs);
  }

  /**
   * Opens a map that is pinned. The caller closes it; the pin stays, and so does what was not taken.
   *
   * @throws MapIncompatibleError `ERR_BPF_MAP_INCOMPATIBLE` when it is of another kind
   */
  static fromPin<T>(path: string, codecs: RingBufferCodecs<T>): RingBuffer<T> {
    return buildMap(pinnedMap(path), source => new RingBuffer(source, codecs));
  }

  /** Records that were passed over since the ring is read: of another size than the codec's, or refused by it. */
  get skipped(): number {
    return this.#skipped;
  }

  /** How often all that was there had to be passed over, because another reader had moved the position. */
  get damaged(): number {
    return this.#memory?.damaged ?? 0;
  }

  /** Bytes that wait to be taken, of `maxEntries`. Known while the ring is read, otherwise 0. */
  get pending(): number {
    return this.#memory?.pending ?? 0;
  }

  /** Whether a function or an iteration takes the records. */
  get active(): boolean {
    return this.#watch !== undefined;
  }

  /**
   * Hands every record to a function, those that wait first, from the next turn of the event loop on.
   *
   * What the function throws is an uncaught exception; if the process goes on after it, so does this, with the next
   * record. It may call `stop()` and `close()`.
   *
   * @throws RingInUseError `ERR_BPF_RING_IN_USE` when this process takes the records already
   * @throws NotSupportedError `ERR_BPF_NOT_SUPPORTED` in a worker thread
   */
  consume(listener: (record: T) => void): this {
    if (typeof listener !== 'function') throw new TypeError('consume: a function is needed');
    this.#begin();
    this.#listener = listener;
    this.#watch!.start();
    return this;
  }

  /** Ends `consume()`, or the iteration, which is over then. What was not taken stays in the ring. */
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
   * Takes one record after the other, and waits for more until the ring is closed or stopped. While the loop is busy
   * with a record, the others stay in the ring.
   *
   * @throws what {@link RingBuffer.consume} throws
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    const watch = this.#begin();
    const mine = (): boolean => this.#watch === watch;
    try {
      for (let taken = 0; ;) {
        for (const record of this.#take()) {
          yield record;
          if (!mine()) return;
          // Promises alone would never let the event loop turn while records come.
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

  /** Lets the process end although records are waited for. Returns this. */
  unref(): this {
    this.#keepsAlive = false;
    this.#watch?.keepAlive(false);
    return this;
  }

  /** Undoes {@link RingBuffer.unref}. Returns this. */
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
    // Its own descriptor: libuv watches each only once, whoever does it.
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
    // What is left after a full turn, or after an exception, is announced again: the ring can still be read.
    for (const record of this.#take()) {
      listener(record);
      if (this.#watch !== watch || --turn === 0) return;
    }
  }

  /**
   * The records that are there, until somebody stops it. The room of each is given back when the next batch is asked
   * for, or at the stop.
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
