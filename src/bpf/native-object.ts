/** The `struct bpf_object` behind an object that is open, and later loaded. */
import { Errno, exhausted, ObjectFileError } from '../errors';
import { mapTypeName, programTypeName, type MapTypeName, type ProgramTypeName } from './types';
import {
  addressOf,
  cString,
  checkPointer,
  collectLog,
  libbpf,
  opts,
  silence,
  systemError,
  tellingLine,
} from '../native';

/** Bytes of each program's log at first. Most refusals need a few kilobytes. */
const LOG_BYTES = 1024 * 1024;
/** Largest log that is asked for; the kernel's own limit is 1 GiB, 16 MiB before Linux 5.2. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;

/** What libbpf holds besides: the types of the object, and up to three while it tries what the kernel can do. */
const FDS_OF_LIBBPF = 4;
/** What the kernel refuses after the verifier was content, or before it looked. */
const NOT_OF_VERIFIER: readonly number[] = [Errno.EMFILE, Errno.ENFILE, Errno.ENOMEM, Errno.EAGAIN, Errno.EINTR];

/** How a load went. */
export type LoadOutcome =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly errno: number;
      /** What libbpf printed, oldest first; empty where it was not collected. */
      readonly lines: readonly string[];
      /** The program whose log is not empty, and that log; `undefined` if the verifier refused none. */
      readonly refused: { readonly program: string; readonly log: string; readonly truncated: boolean } | undefined;
    };

/** Owns the memory of libbpf and the buffers that it points at. */
export class NativeObject {
  /** Address of the `struct bpf_object`. */
  readonly address: number;
  /** Name → address of the `struct bpf_map`. Maps behind global variables are named after their section. */
  readonly maps: ReadonlyMap<string, number>;
  /** Name → address of the `struct bpf_program`. */
  readonly programs: ReadonlyMap<string, number>;
  // libbpf keeps pointers into these: they live as long as the object.
  readonly #bytes: Buffer;
  readonly #nameBytes: Buffer;
  readonly #logs = new Map<string, Buffer>();
  #freed = false;

  private constructor(address: number, bytes: Buffer, nameBytes: Buffer) {
    this.address = address;
    this.#bytes = bytes;
    this.#nameBytes = nameBytes;
    this.maps = list(address, libbpf.bpf_object__next_map, mapName);
    this.programs = list(address, libbpf.bpf_object__next_program, at => cString(libbpf.bpf_program__name(at)));
  }

  /** Reads an object file that is in memory. Nothing reaches the kernel yet. */
  static open(bytes: Buffer, name: string): NativeObject {
    silence();
    const nameBytes = Buffer.from(`${name}\0`);
    const options = opts('bpf_object_open_opts', { object_name: addressOf(nameBytes) });
    const open = () => checkPointer(() => libbpf.bpf_object__open_mem(bytes, bytes.length, options));
    const silent = open();
    const { result, lines } = silent.address === 0 ? collectLog(open) : { result: silent, lines: [] };
    if (result.address === 0) {
      const cause = systemError(result.errno, { operation: 'bpf_object__open_mem', subject: name, lines });
      throw (
        exhausted(cause) ??
        new ObjectFileError(name, tellingLine(lines) ?? 'libbpf cannot read it', { cause, errno: result.errno })
      );
    }
    return new NativeObject(result.address, bytes, nameBytes);
  }

  /** Whether the object file and its name are kept: always. Only here so that the buffers are used. */
  get pinnedBytes(): number {
    return this.#bytes.length + this.#nameBytes.length;
  }

  /**
   * Loads everything into the kernel. The object cannot be loaded again if that fails.
   *
   * @param logBytes - program → bytes of its log, where they are not those of the first attempt
   * @param collect - whether to collect what libbpf prints
   */
  load(logBytes: ReadonlyMap<string, number>, collect: boolean): LoadOutcome {
    for (const [name, program] of this.programs) {
      if (!libbpf.bpf_program__autoload(program)) continue;
      // Not touched, and so not backed by memory, unless the kernel writes a log.
      const log = Buffer.alloc(logBytes.get(name) ?? LOG_BYTES);
      this.#logs.set(name, log);
      libbpf.bpf_program__set_log_buf(program, log, log.length);
    }
    const load = () => libbpf.bpf_object__load(this.address);
    const { result, lines } = collect ? collectLog(load) : { result: load(), lines: [] };
    if (result >= 0) {
      for (const [name] of this.#logs) libbpf.bpf_program__set_log_buf(this.programs.get(name) ?? 0, null, 0);
      this.#logs.clear();
      return { ok: true };
    }
    return { ok: false, errno: -result, lines, refused: this.#refused(-result) };
  }

  /** The next size to try for a log that was too short, or `undefined` when it is as long as allowed. */
  static nextLogBytes(current: number | undefined): number | undefined {
    const next = (current ?? LOG_BYTES) * 8;
    return next > MAX_LOG_BYTES ? undefined : next;
  }

  /** Types of its maps and of the programs that are to be loaded, in their order. */
  types(): { readonly maps: ReadonlySet<MapTypeName>; readonly programs: ReadonlySet<ProgramTypeName> } {
    return {
      maps: new Set([...this.maps.values()].map(map => mapTypeName(libbpf.bpf_map__type(map)) as MapTypeName)),
      programs: new Set(
        this.#toLoad().map(program => programTypeName(libbpf.bpf_program__type(program)) as ProgramTypeName),
      ),
    };
  }

  /** How many file descriptors loading it takes: maps that are reused have theirs. */
  get fdCount(): number {
    return (
      [...this.maps.values()].filter(map => libbpf.bpf_map__fd(map) < 0).length + this.#toLoad().length + FDS_OF_LIBBPF
    );
  }

  #toLoad(): number[] {
    return [...this.programs.values()].filter(program => libbpf.bpf_program__autoload(program));
  }

  /** Frees the memory of libbpf and closes all file descriptors of the object. */
  close(): void {
    if (this.#freed) return;
    this.#freed = true;
    libbpf.bpf_object__close(this.address);
    this.#logs.clear();
  }

  #refused(errno: number): { program: string; log: string; truncated: boolean } | undefined {
    if (NOT_OF_VERIFIER.includes(errno)) return undefined;
    for (const [program, buffer] of this.#logs) {
      const end = buffer.indexOf(0);
      const length = end === -1 ? buffer.length : end;
      if (length === 0) continue;
      // ENOSPC (28) is what the kernel answers instead of the reason when the log does not fit.
      return {
        program,
        log: buffer.toString('utf8', 0, length),
        truncated: errno === 28 || length >= buffer.length - 1,
      };
    }
    return undefined;
  }
}

function list(
  object: number,
  next: (object: number, previous: number) => number,
  nameOf: (address: number) => string,
): Map<string, number> {
  const found = new Map<string, number>();
  for (let at = next(object, 0); at !== 0; at = next(object, at)) found.set(nameOf(at), at);
  return found;
}

/** `.rodata` and not `merbridg.rodata`: the prefix is a part of the object's name, cut to fit into 15 bytes. */
function mapName(map: number): string {
  const name = cString(libbpf.bpf_map__name(map));
  return libbpf.bpf_map__is_internal(map) && name.includes('.') ? name.slice(name.indexOf('.')) : name;
}
