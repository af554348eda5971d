/** The `struct bpf_object` of libbpf behind an object that is open and later loaded. */
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
  withSignalsBlocked,
} from '../native';

/** Initial size of each program's log in bytes. Most refusals need a few kilobytes. */
const LOG_BYTES = 1024 * 1024;
/** Maximum size of a log in bytes. The limit of the kernel is 1 GiB, and 16 MiB before Linux 5.2. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;

/**
 * File descriptors that libbpf uses besides: one for the BTF of the object, and up to three while it probes features of
 * the kernel.
 */
const FDS_OF_LIBBPF = 4;
/** Errors that the kernel returns after the verifier accepted the program, or before the verifier ran. */
const NOT_OF_VERIFIER: readonly number[] = [Errno.EMFILE, Errno.ENFILE, Errno.ENOMEM, Errno.EAGAIN, Errno.EINTR];

/** Result of an attempt to load an object. */
export type LoadOutcome =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly errno: number;
      /** Output of libbpf, oldest line first. Empty if it was not collected. */
      readonly lines: readonly string[];
      /** The program that the verifier refused, with its log. `undefined` if the verifier refused none. */
      readonly refused: { readonly program: string; readonly log: string; readonly truncated: boolean } | undefined;
    };

/** Owns a `struct bpf_object`, its memory, and the buffers that libbpf points to. */
export class NativeObject {
  /** Address of the `struct bpf_object`. */
  readonly address: number;
  /** Address of each `struct bpf_map` by name. Maps behind global variables have the name of their section. */
  readonly maps: ReadonlyMap<string, number>;
  /** Address of each `struct bpf_program` by name. */
  readonly programs: ReadonlyMap<string, number>;
  // libbpf keeps pointers to these buffers, so they must live as long as the object.
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

  /**
   * Parses an object file that is in memory. Nothing is loaded into the kernel yet.
   *
   * @param bytes - contents of the file. libbpf keeps a pointer to it
   * @param name - name of the object
   * @returns the object. The caller closes it
   * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if libbpf cannot parse the file
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the process or the machine is out of memory or file descriptors
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
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

  /** Size of the buffers that libbpf points to. It exists only so that the buffers count as used. */
  get pinnedBytes(): number {
    return this.#bytes.length + this.#nameBytes.length;
  }

  /**
   * Creates the maps and loads the programs. After a failure the object cannot be loaded again.
   *
   * @param logBytes - size of a program's log in bytes, by program name, if it is not the initial size
   * @param collect - whether to collect the output of libbpf
   * @returns how the load ended
   */
  load(logBytes: ReadonlyMap<string, number>, collect: boolean): LoadOutcome {
    for (const [name, program] of this.programs) {
      if (!libbpf.bpf_program__autoload(program)) continue;
      // The kernel backs this buffer with memory only if it writes a log.
      const log = Buffer.alloc(logBytes.get(name) ?? LOG_BYTES);
      this.#logs.set(name, log);
      libbpf.bpf_program__set_log_buf(program, log, log.length);
    }
    const load = () => withSignalsBlocked(() => libbpf.bpf_object__load(this.address));
    const { result, lines } = collect ? collectLog(load) : { result: load(), lines: [] };
    if (result >= 0) {
      for (const [name] of this.#logs) libbpf.bpf_program__set_log_buf(this.programs.get(name) ?? 0, null, 0);
      this.#logs.clear();
      return { ok: true };
    }
    return { ok: false, errno: -result, lines, refused: this.#refused(-result) };
  }

  /**
   * Returns the next size to try if a log was truncated.
   *
   * @param current - size of the truncated log in bytes; `undefined` stands for the initial size
   * @returns the next size in bytes, or `undefined` if the log is already as large as allowed
   */
  static nextLogBytes(current: number | undefined): number | undefined {
    const next = (current ?? LOG_BYTES) * 8;
    return next > MAX_LOG_BYTES ? undefined : next;
  }

  /**
   * Lists the types of its maps and of the programs that will be loaded, in their order.
   *
   * @returns the types
   */
  types(): { readonly maps: ReadonlySet<MapTypeName>; readonly programs: ReadonlySet<ProgramTypeName> } {
    return {
      maps: new Set([...this.maps.values()].map(map => mapTypeName(libbpf.bpf_map__type(map)) as MapTypeName)),
      programs: new Set(
        this.#toLoad().map(program => programTypeName(libbpf.bpf_program__type(program)) as ProgramTypeName),
      ),
    };
  }

  /** Number of file descriptors that loading needs. Reused maps already have theirs. */
  get fdCount(): number {
    return (
      [...this.maps.values()].filter(map => libbpf.bpf_map__fd(map) < 0).length + this.#toLoad().length + FDS_OF_LIBBPF
    );
  }

  #toLoad(): number[] {
    return [...this.programs.values()].filter(program => libbpf.bpf_program__autoload(program));
  }

  /** Frees the memory of libbpf and closes all file descriptors of the object. Idempotent. */
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
      // If the log does not fit, the kernel returns ENOSPC (28) instead of the reason.
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

/**
 * Returns `.rodata` for `merbridg.rodata`: the prefix is a part of the object's name, cut so that the whole fits into
 * 15 bytes.
 */
function mapName(map: number): string {
  const name = cString(libbpf.bpf_map__name(map));
  return libbpf.bpf_map__is_internal(map) && name.includes('.') ? name.slice(name.indexOf('.')) : name;
}
