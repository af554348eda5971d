/**
 * Handles the output of libbpf. Without a print function libbpf writes to standard error, which belongs to the
 * application, so it is silenced. If an object cannot be opened or loaded, this is tried a second time and the output
 * is collected for the error. It is not collected the first time, because the callback costs full garbage collections,
 * see below.
 */
import { ffi } from './ffi';
import { held } from './held';
import { libbpf } from './library';
import { libc } from './libc';
import { addressOf } from './memory';
import { readWord, signatureOf } from './prepared';

/** enum libbpf_print_level: 0 warning, 1 information, 2 debug. */
const LEVEL_DEBUG = 2;
/** Maximum length of a line in bytes. Verifier logs are not passed this way. */
const LINE_BYTES = 4096;
/** Maximum number of lines. */
const LINES = 64;

let lines: string[] = [];
let callback: Buffer | undefined;

/**
 * Calls a function of libbpf and collects its output: warnings and information.
 *
 * @param body - makes the call. It must be synchronous
 * @returns the result of `body` and the lines, oldest first. Of more than 64 lines, the first 32 and the last 32 are
 * kept
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

/** Output that announces the next step of libbpf or only says that something failed, but not why. */
const NOT_TELLING =
  /Retrying without BTF|^elf: skipping|^failed to load object|: failed to load: -\d+$|BEGIN PROG LOAD LOG|END PROG LOAD LOG/;

/**
 * Finds the line that says why something failed: the first one that is not just a step. The last line is always the
 * same.
 *
 * @param lines - output of libbpf, oldest line first
 * @returns the line, or `undefined` if there is no output
 */
export function tellingLine(lines: readonly string[]): string | undefined {
  return lines.find(line => !NOT_TELLING.test(line)) ?? lines[0];
}

/** Silences libbpf. Called before any other function of it. */
export function silence(): void {
  libbpf.libbpf_set_print(null);
}

/**
 * int print(enum libbpf_print_level level, const char *format, va_list args).
 *
 * The arguments are copied out of the raw block. ffi-napi's own `Callback` wraps each of them in a buffer over foreign
 * memory. Version 4.0.3 reports each of these buffers to the engine as about a gigabyte, so every line would cost a
 * full garbage collection. The addon itself creates two such buffers, for the result and for the block. They are kept,
 * so that the next line at the same stack depth reuses them.
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
    // The first lines say what went wrong, the last ones what failed because of it.
    if (lines.length > LINES) lines.splice(LINES / 2, 1);
  };
  // libffi reads the signature at every call, so it must live as long as the callback.
  const signature = signatureOf('int', ['int', 'size', 'size']);
  const made = ffi().callback(signature, 4, 3, body);
  held.add(made).add(signature);
  return made;
}
