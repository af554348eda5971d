/** Layout of the records in a ring buffer: kernel/bpf/ringbuf.c. */

/** Length, flags, and an offset that only the kernel uses. */
const HEADER_BYTES = 8;
/** BPF_RINGBUF_BUSY_BIT: a program is still writing the record. */
const BUSY = 0x8000_0000;
/** BPF_RINGBUF_DISCARD_BIT: the program discarded the record. */
const DISCARDED = 0x4000_0000;

/** Position of a record in a copied part of the ring. All offsets are bytes from the start of the copy. */
export interface RingRecord {
  /** Offset of the data. */
  readonly start: number;
  /** Length of the data in bytes. */
  readonly length: number;
  /** Whether the program discarded the record. */
  readonly discarded: boolean;
  /** Offset of the next record. */
  readonly end: number;
}

/**
 * Parses the record at an offset.
 *
 * @param region - copied part of the ring
 * @param offset - offset of the record's header in bytes
 * @param capacity - size of the whole ring in bytes
 * @returns the record, or why it cannot be read: `'busy'` (a program is writing it), `cut` (the copy is too short, it
 * needs this many bytes), or `'damaged'` (it is longer than the ring)
 */
export function recordAt(
  region: Buffer,
  offset: number,
  capacity: number,
): RingRecord | 'busy' | { cut: number } | 'damaged' {
  if (offset + HEADER_BYTES > region.length) return { cut: offset + HEADER_BYTES };
  const header = region.readUInt32LE(offset);
  if (header >= BUSY) return 'busy';
  const length = header % DISCARDED;
  const end = offset + Math.ceil((HEADER_BYTES + length) / 8) * 8;
  if (end - offset > capacity) return 'damaged';
  if (end > region.length) return { cut: end };
  return { start: offset + HEADER_BYTES, length, discarded: header >= DISCARDED, end };
}
