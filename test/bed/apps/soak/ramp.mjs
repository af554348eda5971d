// The bytes of the soak's streams: 32-bit counters. Each direction of a stream begins at a place of its own in one long
// ramp, so that a piece of a stream tells where it belongs, and a piece of another stream tells that it does not. Each
// counter is multiplied, so that neighbours have few bytes in common.

// The ramp begins again after a prime number of words (32 MB): no lost block of a power of two goes unseen.
const WORDS = 8388593;
const PERIOD = WORDS * 4;

/** The longest piece that {@link piece} gives. */
export const MAX_PIECE = 1 << 20;

/** Odd, so that it can be undone: FACTOR × INVERSE is 1 modulo 2^32. */
const FACTOR = 0x9e3779b1;
const INVERSE = 0xe8b2f51;

const words = new Uint32Array(WORDS + MAX_PIECE / 4);
for (let i = 0; i < words.length; i++) words[i] = Math.imul(i % WORDS, FACTOR);
const ramp = Buffer.from(words.buffer);

/** Where in the ramp a direction begins: `hash` is any number. */
export function startOf(hash) {
  return (hash % WORDS) * 4;
}

/**
 * `length` bytes (at most MAX_PIECE) of the stream that begins at `start`, from its byte `offset` on. A view, not to be
 * written to.
 */
export function piece(start, offset, length) {
  const at = (start + offset) % PERIOD;
  return ramp.subarray(at, at + length);
}

/** How many bytes are needed to tell where a piece belongs: two whole words, at any alignment. */
const DECODABLE = 11;

/**
 * The position in the stream that the first byte of `part` was sent at, the one next to `expected`; undefined if these
 * are no bytes of the ramp.
 */
function positionOf(part, start, expected) {
  for (let shift = 0; shift < 4; shift++) {
    const [word, next] = [shift, shift + 4].map(at => Math.imul(part.readUInt32LE(at), INVERSE) >>> 0);
    if (word >= WORDS || next !== (word + 1) % WORDS) continue;
    const position = word * 4 - shift - start;
    return position + Math.round((expected - position) / PERIOD) * PERIOD;
  }
  return undefined;
}

/** Compares a stream with what was sent, and tells what happened to the first wrong byte. */
export class Checker {
  bytes = 0;
  /** Position of the first wrong byte, -1 while all are right. */
  wrongAt = -1;
  /**
   * What is known of the damage: 'reordered', 'doubled', 'wrong' (bytes that were never sent here), or 'lost' until the
   * gap shows up later.
   */
  damage = null;
  #start;
  #total;
  #skew = 0; // where the stream seems to be, minus how much of it arrived
  #gap = null; // what was skipped first: it is lost, unless it comes later
  #undecided = null;

  /** `total`: how many bytes the stream has, Infinity if that is not known. */
  constructor(start, total) {
    this.#start = start;
    this.#total = total;
  }

  take(chunk) {
    if (this.#undecided) {
      chunk = Buffer.concat([this.#undecided, chunk]);
      this.bytes -= this.#undecided.length;
      this.#undecided = null;
    }
    while (chunk.length > 0) {
      const right = this.#rightBytes(chunk);
      this.bytes += right;
      chunk = chunk.subarray(right);
      if (chunk.length === 0) return;
      if (this.wrongAt < 0) this.wrongAt = this.bytes;
      if (chunk.length < DECODABLE) {
        this.#undecided = chunk;
        this.bytes += chunk.length;
        return;
      }
      if (!this.#resume(chunk)) {
        this.bytes += chunk.length;
        return;
      }
    }
  }

  /** The verdict at the end of a stream that had to come `whole`, or of which a beginning had to come. */
  verdict(whole) {
    if (this.wrongAt >= 0) return this.damage ?? 'wrong';
    return whole && this.bytes < this.#total ? 'lost' : null;
  }

  /** How many bytes of the chunk continue the stream. Beyond its end none do. */
  #rightBytes(chunk) {
    let at = 0;
    while (at < chunk.length) {
      const offset = this.bytes + this.#skew + at;
      const length = Math.min(MAX_PIECE, chunk.length - at, this.#total - offset);
      if (length <= 0) return at;
      const wanted = piece(this.#start, offset, length);
      const part = chunk.subarray(at, at + length);
      if (!part.equals(wanted)) {
        let same = 0;
        while (part[same] === wanted[same]) same++;
        return at + same;
      }
      at += length;
    }
    return at;
  }

  /** Finds where the stream goes on, after a wrong byte; false if that cannot be told. */
  #resume(chunk) {
    const expected = this.bytes + this.#skew;
    const found = positionOf(chunk, this.#start, expected);
    if (found === undefined || found < 0 || found >= this.#total || found === expected) {
      this.damage ??= 'wrong';
      return false;
    }
    // A few bytes at the edge of a gap may be the same by chance.
    if (this.#gap && Math.abs(found - this.#gap.from) < 4) this.damage = 'reordered';
    else if (found > expected) {
      this.#gap ??= { from: expected };
      this.damage ??= 'lost';
    } else if (!this.#gap) this.damage ??= 'doubled';
    this.#skew = found - this.bytes;
    return true;
  }
}
