/** How records lie in a ring buffer: kernel/bpf/ringbuf.c. */

/** Length, flags and an offset that only the kernel uses. */
const HEADER_BYTES = 8;
/** BPF_RINGBUF_BUSY_BIT: a program is still writing it. */
const BUSY = 0x8000_0000;
/** BPF_RINGBUF_DISCARD_BIT: the program changed its mind. */
const DISCARDED = 0x4000_0000;

/** A record in a copy of a part of the ring. */
export interface RingRecord {
  /** First byte of what the program wrote. */
  readonly start: number;
  /** How many bytes it wrote. */
  readonly length: number;
  /** Whether there is nothing to read in it. */
  readonly discarded: boolean;
  /** Where the next record begins. */
  readonly end: number;
}

/**
 * The record that begins at an offset, or why it cannot be read: unfinished, cut by the end of the copy, impossible.
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
