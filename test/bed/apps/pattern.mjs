// The bytes that sender and receiver agree on: position-dependent, with a period that no buffer size divides, so a
// lost, doubled or moved block of any size changes the checksum and is found at its first wrong byte.
import { createHash } from 'node:crypto';

const PERIOD = 65521; // prime
const base = Buffer.alloc(PERIOD * 3);
for (let i = 0, x = 1; i < PERIOD; i++) {
  x = (x * 1103515245 + 12345) & 0x7fffffff;
  base[i] = base[i + PERIOD] = base[i + 2 * PERIOD] = x >> 16;
}

/** `length` (at most twice the period) bytes of the stream from position `offset` on. */
export function pattern(offset, length) {
  const start = offset % PERIOD;
  return base.subarray(start, start + length);
}

export const MAX_CHUNK = 2 * PERIOD;

/** Counts, hashes, and (if asked to verify) remembers where the stream first differed from the pattern. */
export class Receiver {
  bytes = 0;
  wrongAt = -1;
  #hash = createHash('sha256');

  take(chunk) {
    this.#hash.update(chunk);
    for (let at = 0; at < chunk.length && this.wrongAt < 0; at += MAX_CHUNK) {
      const part = chunk.subarray(at, at + MAX_CHUNK);
      const wanted = pattern(this.bytes + at, part.length);
      if (part.equals(wanted)) continue;
      let i = 0;
      while (part[i] === wanted[i]) i++;
      this.wrongAt = this.bytes + at + i;
    }
    this.bytes += chunk.length;
  }

  result() {
    return { bytes: this.bytes, sha256: this.#hash.digest('hex'), wrongAt: this.wrongAt };
  }
}

/** Command line `--name value` pairs over defaults; numbers where the default is one. */
export function options(defaults) {
  const found = { ...defaults };
  for (let i = 2; i < process.argv.length; i += 2) {
    const name = process.argv[i].slice(2);
    if (!(name in defaults)) throw new Error(`unknown option ${process.argv[i]}`);
    const value = process.argv[i + 1];
    found[name] = typeof defaults[name] === 'number' ? Number(value) : value;
  }
  return found;
}

/** One line of JSON per fact: what the bed reads. */
export function say(fact) {
  process.stdout.write(`${JSON.stringify(fact)}\n`);
}
