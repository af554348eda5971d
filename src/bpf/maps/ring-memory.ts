import { addressOf, libc, mapMemory, pageSize, readWord, unmapMemory, writeWord } from '../../native';
import { recordAt, type RingRecord } from './ring-layout';

/** How much is copied at a time, unless one record is larger. */
const CHUNK = 256 * 1024;

/** For ordering alone: a read-modify-write is a fence for what stands before and behind it, on both architectures. */
const fenceCell = new Int32Array(new SharedArrayBuffer(4));
function fence(): void {
  Atomics.compareExchange(fenceCell, 0, 0, 0);
}

/** Finished records in a copy of their own. */
export interface RingBatch {
  readonly bytes: Buffer;
  readonly records: readonly RingRecord[];
  /** Position of the first byte of the copy. */
  readonly from: number;
}

/**
 * The pages of a ring buffer, in this process: a page with the position of the consumer, which the consumer writes, one
 * with that of the producer, and the data, mapped twice in a row so that a record never wraps around.
 *
 * Everything is read by copying. A buffer over foreign memory would fault when it is used after the ring was closed.
 */
export class RingMemory {
  readonly #capacity: number;
  readonly #page = pageSize();
  readonly #consumer: number;
  readonly #producer: number;
  readonly #word = Buffer.alloc(8);
  #position: number;
  #damaged = 0;

  /**
   * @param fd - of the map; may be closed afterwards
   * @param capacity - bytes of data, `maxEntries` of the map
   * @param subject - names the map in errors
   */
  constructor(fd: number, capacity: number, subject: string) {
    this.#capacity = capacity;
    this.#consumer = mapMemory(fd, 0, this.#page, true, { subject });
    try {
      this.#producer = mapMemory(fd, this.#page, this.#page + 2 * capacity, false, { subject });
    } catch (error) {
      unmapMemory(this.#consumer, this.#page);
      throw error;
    }
    this.#position = this.#load(this.#consumer);
  }

  /**
   * How often the ring was not what a ring is, so that all of it was passed over: another reader has moved the
   * position.
   */
  get damaged(): number {
    return this.#damaged;
  }

  /** Bytes between the producer and this reader, headers and what is not finished included. */
  get pending(): number {
    return Math.max(this.#load(this.#producer) - this.#position, 0);
  }

  /**
   * Copies the finished records that come next; `undefined` when there are none. They stay in the ring until
   * {@link RingMemory.release}.
   */
  next(): RingBatch | undefined {
    for (let want = CHUNK; ;) {
      const waiting = this.#load(this.#producer) - this.#position;
      if (waiting === 0) return undefined;
      if (waiting < 0 || waiting > this.#capacity) return this.#skipAll();
      const bytes = this.#copy(Math.min(waiting, want));
      const { records, stop } = split(bytes, this.#capacity);
      if (records.length > 0) {
        // A header may have been finished after its data was copied: what is behind a finished header is right only
        // now.
        this.#copy(records.at(-1)!.end, bytes);
        return { bytes, records, from: this.#position };
      }
      if (stop === 'busy') return undefined;
      if (stop === 'damaged' || stop.cut > waiting) return this.#skipAll();
      want = stop.cut;
    }
  }

  /** Gives the room before a position back to the programs. */
  release(position: number): void {
    this.#position = position;
    fence();
    writeWord(this.#word, position, 0);
    libc.memcpy(this.#consumer, this.#word, 8);
    fence();
  }

  /** Ends the mappings. */
  close(): void {
    unmapMemory(this.#consumer, this.#page);
    unmapMemory(this.#producer, this.#page + 2 * this.#capacity);
  }

  #skipAll(): undefined {
    this.#damaged += 1;
    this.release(this.#load(this.#producer));
  }

  #load(address: number): number {
    libc.memcpy(this.#word, address, 8);
    fence();
    return readWord(this.#word, 0);
  }

  #copy(length: number, into: Buffer = Buffer.allocUnsafeSlow(length)): Buffer {
    libc.memcpy(addressOf(into), this.#producer + this.#page + (this.#position % this.#capacity), length);
    fence();
    return into;
  }
}

function split(bytes: Buffer, capacity: number): { records: RingRecord[]; stop: 'busy' | 'damaged' | { cut: number } } {
  const records: RingRecord[] = [];
  for (let offset = 0; ;) {
    const record = recordAt(bytes, offset, capacity);
    if (typeof record === 'string' || 'cut' in record) return { records, stop: record };
    records.push(record);
    offset = record.end;
  }
}
