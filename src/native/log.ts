/**
 * What libbpf has to say. Without a print function it writes to standard error, which belongs to the application; so it
 * is silent. When an object cannot be opened or loaded, that is tried a second time, and its lines are kept for the
 * error: the callback that collects them costs full garbage collections, see below.
 */
import { ffi } from './ffi';
import { held } from './held';
import { libbpf } from './library';
import { libc } from './libc';
import { addressOf } from './memory';
import { readWord, signatureOf } from './prepared';

/** enum libbpf_print_level: 0 warning, 1 information, 2 debug. */
const LEVEL_DEBUG = 2;
/** Longest line that is kept, in bytes. Verifier logs do not come this way. */
const LINE_BYTES = 4096;
/** How many lines are kept. */
const LINES = 64;

let lines: string[] = [];
let callback: Buffer | undefined;

/**
 * Runs a function of libbpf and collects what it prints, warnings and information only.
 *
 * @param body - makes the call; must be synchronous
 * @returns the result of `body` and the lines, oldest first, 64 at most: the first half of them and the last
 */
export function collectLog<T>(body: () => T): { result: T; lines: string[] } {
  lines = [];
  callback ??= printCallback();
  libbpf.libbpf_set_print(callback);
  try {
    return { result: body(), lines };
  } finally {
    libbpf.libbpf_set_print(null);
  }
}

/** What libbpf says about its own next step, or only repeats: that something failed, not why. */
const NOT_TELLING =
  /Retrying without BTF|^elf: skipping|^failed to load object|: failed to load: -\d+$|BEGIN PROG LOAD LOG|END PROG LOAD LOG/;

/**
 * The line that says why: the first one that is more than a step on the way. The last one is always the same.
 *
 * @param lines - what libbpf printed, oldest first
 */
export function tellingLine(lines: readonly string[]): string | undefined {
  return lines.find(line => !NOT_TELLING.test(line)) ?? lines[0];
}

/** Makes libbpf silent. Called before anything else of it is used. */
export function silence(): void {
  libbpf.libbpf_set_print(null);
}

/**
 * int print(enum libbpf_print_level level, const char *format, va_list args).
 *
 * The arguments are taken from the raw block by copying. ffi-napi's own `Callback` wraps each of them in a buffer over
 * foreign memory, for each of which version 4.0.3 tells the engine about a gigabyte, so that every line costs a full
 * garbage collection. Two such buffers, for the result and for the block, are made by the addon itself; they are kept,
 * so that the next line at the same depth of the stack uses them again.
 */
function printCallback(): Buffer {
  const words = Buffer.alloc(24);
  const text = Buffer.alloc(LINE_BYTES);
  const level = Buffer.alloc(4);
  const pointers = Buffer.alloc(16);
  const body = (result: Buffer, argv: Buffer): void => {
    held.add(result.buffer).add(argv.buffer);
    libc.memcpy(words, addressOf(argv), 24);
    libc.memcpy(level, readWord(words, 0), 4);
    result.fill(0);
    if (level.readInt32LE(0) >= LEVEL_DEBUG) return;
    libc.memcpy(pointers, readWord(words, 8), 8);
    libc.memcpy(pointers.subarray(8), readWord(words, 16), 8);
    const length = libc.vsnprintf(text, LINE_BYTES, readWord(pointers, 0), readWord(pointers, 8));
    const line = text
      .toString('utf8', 0, Math.min(Math.max(length, 0), LINE_BYTES - 1))
      .replace(/^libbpf: /, '')
      .trimEnd();
    if (line === '') return;
    lines.push(line);
    // The first ones say what went wrong, the last ones what failed because of it.
    if (lines.length > LINES) lines.splice(LINES / 2, 1);
  };
  // libffi reads the signature at every call, so it has to live as long as the callback.
  const signature = signatureOf('int', ['int', 'size', 'size']);
  const made = ffi().callback(signature, 4, 3, body);
  held.add(made).add(signature);
  return made;
}
