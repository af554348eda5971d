import { addressOf, libc, mapMemory, pageSize, readWord, unmapMemory, writeWord } from '../../native';
import { recordAt, type RingRecord } from './ring-layout';

/** Number of bytes that are copied at a time, unless one record is larger. */
const CHUNK = 256 * 1024;

/** Used only for ordering: an atomic read-modify-write is a full memory barrier on both architectures. */
const fenceCell = new Int32Array(new SharedArrayBuffer(4));
function fence(): void {
  Atomics.compareExchange(fenceCell, 0, 0, 0);
}

/** A copy of some complete records. */
export interface RingBatch {
  readonly bytes: Buffer;
  readonly records: readonly RingRecord[];
  /** Position in the ring of the first byte of the copy. */
  readonly from: number;
}

/**
 * The pages of a ring buffer in this process: one page with the consumer position, which the consumer writes, one page
 * with the producer position, and the data. The data is mapped twice in a row, so that a record never wraps around.
 *
 * All data is copied. A buffer over the mapped memory would fault if it were used after the ring was closed.
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
   * Maps the pages.
   *
   * @param fd - file descriptor of the map. It may be closed afterwards
   * @param capacity - size of the data in bytes: `maxEntries` of the map
   * @param subject - name of the map, for error messages
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
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

  /** How often the ring was inconsistent and all of it was skipped, because another reader had moved the position. */
  get damaged(): number {
    return this.#damaged;
  }

  /** Number of bytes between the producer and this reader, including headers and incomplete records. */
  get pending(): number {
    return Math.max(this.#load(this.#producer) - this.#position, 0);
  }

  /**
   * Copies the next complete records. They stay in the ring until {@link RingMemory.release}.
   *
   * @returns the records, or `undefined` if there are none
   */
  next(): RingBatch | undefined {
    for (let want = CHUNK; ;) {
      const waiting = this.#load(this.#producer) - this.#position;
      if (waiting === 0) return undefined;
      if (waiting < 0 || waiting > this.#capacity) return this.#skipAll();
      const bytes = this.#copy(Math.min(waiting, want));
      const { records, stop } = split(bytes, this.#capacity);
      if (records.length > 0) {
        // A header may have been completed after its data was copied. The data behind a complete header is valid only
        // now, so copy it again.
        this.#copy(records.at(-1)!.end, bytes);
        return { bytes, records, from: this.#position };
      }
      if (stop === 'busy') return undefined;
      if (stop === 'damaged' || stop.cut > waiting) return this.#skipAll();
      want = stop.cut;
    }
  }

  /**
   * Releases the space before a position to the programs.
   *
   * @param position - consumer position
   */
  release(position: number): void {
    this.#position = position;
    fence();
    writeWord(this.#word, position, 0);
    libc.memcpy(this.#consumer, this.#word, 8);
    fence();
  }

  /** Unmaps the pages. */
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
