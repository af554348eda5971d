import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { Btf, elfSections, elfVariables, type ElfSection } from '../codec';
import { Errno, exhausted, ObjectFileError, PermissionError, VerifierError } from '../errors';
import {
  check,
  copyFrom,
  libbpf,
  missingCapabilities,
  readWord,
  systemError,
  tellingLine,
  whyRefused,
} from '../native';
import { requireFds } from './fd';
import { Handle } from './handle';
import { btfMissing, requireTypes } from './kernel-features';
import { NativeObject, type LoadOutcome } from './native-object';
import { BpfObject, pick } from './object';
import { BpfVariable, type VariablePlace } from './object-variable';
import { OpenBpfMap, type OpenObjectAccess } from './open-map';
import { OpenBpfProgram } from './open-program';
import { checkOptions } from './options';

/** Options of {@link OpenBpfObject.open} and {@link OpenBpfObject.openFile}. */
export interface OpenObjectOptions {
  /** What the object is called in messages. Default: the name of the file, without `.o`. */
  name?: string | undefined;
}

/** Sections of global variables. */
const VARIABLE_SECTION = /^\.(rodata|data|bss)/;

/** What libbpf says where it finds no types of the kernel. */
const NO_BTF = /kernel BTF is missing|failed to find valid kernel BTF/;

/** What the verifier says of the helpers that a locked down kernel takes away. */
const LOCKED_DOWN = /(unknown func|cannot use helper) bpf_probe_read_kernel/;

/** How often a load is tried that signals interrupt. */
const MAX_INTERRUPTIONS = 50;

/**
 * An object file that is open and not loaded: nothing of it is in the kernel yet, and its settings can be changed.
 *
 * `load()` turns it into a {@link BpfObject} and leaves this one closed. When loading fails, this one stays open:
 * change what was wrong and load again, or close it. It holds nothing of the kernel, only memory.
 *
 * @example
 * ```ts
 * import { VerifierError } from 'merbridge';
 * import { OpenBpfObject } from 'merbridge/bpf';
 *
 * const open = OpenBpfObject.openFile('connect.bpf.o');
 * open.map('local_pod_ips').maxEntries = 4096;
 * open.variable('proxy_port').set(15001);
 * const object = open.load();
 * console.log(object.programs().map(({ name, type }) => `${name}: ${type}`));
 * object.close();
 * ```
 */
export class OpenBpfObject extends Handle {
  /** Name it was opened under. */
  readonly name: string;
  readonly #bytes: Buffer;
  readonly #sections: readonly ElfSection[];
  /** Changes, to be done again when the object has to be opened anew: libbpf cannot load one twice. */
  readonly #changes = new Map<string, (native: NativeObject) => void>();
  readonly #access: OpenObjectAccess;
  #native: NativeObject | undefined;

  private constructor(bytes: Buffer, name: string) {
    // Before libbpf reads it, so that the error says what is wrong with the file in words of its own.
    const sections = elfSections(bytes, name);
    const native = NativeObject.open(bytes, name);
    super(`open object "${name}"`);
    this.name = name;
    this.#bytes = bytes;
    this.#sections = sections;
    this.#native = native;
    this.#access = {
      native: () => this.#live(),
      apply: (key, change) => {
        change(this.#live());
        this.#changes.set(key, change);
      },
    };
  }

  /**
   * Opens an object file.
   *
   * @param path - what clang wrote for the target `bpf`, with type information (`-g`)
   * @throws ObjectFileError `ERR_BPF_OBJECT_FILE` when it is missing, not readable or damaged
   * @throws LibraryLoadError `ERR_BPF_LIBRARY_LOAD` when libbpf is not installed
   */
  static openFile(path: string, options: OpenObjectOptions = {}): OpenBpfObject {
    checkOptions(options, ['name'], 'openFile');
    if (typeof path !== 'string' || path === '') throw new TypeError('path: the path of an object file is needed');
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      const exhaustion = exhausted(error, { subject: path });
      if (exhaustion !== undefined) throw exhaustion;
      const { code, errno } = error as NodeJS.ErrnoException;
      const reason = code === 'ENOENT' ? 'there is no such file' : 'the file cannot be read';
      throw new ObjectFileError(path, reason, {
        cause: error,
        errno: errno === undefined ? undefined : Math.abs(errno),
      });
    }
    return OpenBpfObject.open(bytes, { name: options.name ?? basename(path).replace(/(\.bpf)?\.o$/, '') });
  }

  /**
   * Opens an object file that is in memory.
   *
   * @param bytes - the whole file; is copied
   * @param options - its name, for messages. Default: `'object'`
   * @throws ObjectFileError `ERR_BPF_OBJECT_FILE` when it is damaged
   */
  static open(bytes: Uint8Array, options: OpenObjectOptions = {}): OpenBpfObject {
    checkOptions(options, ['name'], 'open');
    if (!(bytes instanceof Uint8Array)) throw new TypeError('bytes: a Buffer or Uint8Array is needed');
    return new OpenBpfObject(Buffer.from(bytes), options.name ?? 'object');
  }

  /**
   * The declaration of a map, by its name in C.
   *
   * @throws RangeError when there is none; the message lists those that are there
   */
  map(name: string): OpenBpfMap {
    pick(this.#live().maps, name, `${this.label}: no map`);
    return OpenBpfMap.make(name, this.#access);
  }

  /** The declarations of all maps, those behind global variables included. */
  maps(): OpenBpfMap[] {
    return [...this.#live().maps.keys()].map(name => OpenBpfMap.make(name, this.#access));
  }

  /**
   * A program, by the name of its C function.
   *
   * @throws RangeError when there is none; the message lists those that are there
   */
  program(name: string): OpenBpfProgram {
    pick(this.#live().programs, name, `${this.label}: no program`);
    return OpenBpfProgram.make(name, this.#access);
  }

  /** All programs. */
  programs(): OpenBpfProgram[] {
    return [...this.#live().programs.keys()].map(name => OpenBpfProgram.make(name, this.#access));
  }

  /**
   * A global variable, by its name in C. Variables that the compiler optimised away are not there: declare settings as
   * `const volatile`.
   *
   * @throws RangeError when there is none; the message lists those that are there
   */
  variable(name: string): BpfVariable {
    this.ensureOpen();
    return BpfVariable.make(pick(this.#variables(), name, `${this.label}: no global variable`), {
      read: section => this.#initialValue(section),
      write: (section, bytes) =>
        this.#access.apply(`variable ${section}`, native => {
          check(libbpf.bpf_map__set_initial_value(pick(native.maps, section, 'no section'), bytes, bytes.length), {
            operation: 'bpf_map__set_initial_value',
            subject: `${section} of ${this.label}`,
          });
        }),
    });
  }

  /**
   * Creates the maps in the kernel and has it verify and load the programs. This object is closed then.
   *
   * @returns the loaded object; the caller closes it
   * @throws VerifierError `ERR_BPF_VERIFIER` when the kernel refuses a program; `log` is complete
   * @throws PermissionError `ERR_BPF_PERMISSION` when capabilities are missing. What the verifier refuses without
   * CAP_PERFMON is this, too: its `cause` is the verifier's
   * @throws NotSupportedError `ERR_BPF_NOT_SUPPORTED` when the kernel lacks a type of map or program, or its own type
   * information (BTF)
   * @throws BpfError for other reasons, such as errnoName `'EMFILE'`; its hint is the line of libbpf that says why, its
   * cause all of them
   */
  load(): BpfObject {
    const logBytes = new Map<string, number>();
    // Only after a failure, and then in every further attempt: see native/log.ts.
    let collect = false;
    for (let interruptions = 0; ;) {
      const native = this.#live();
      requireFds(native.fdCount, this.label);
      const types = native.types();
      const outcome = native.load(logBytes, collect);
      if (outcome.ok) return this.#loaded(native);
      // The object of libbpf is spent. Another one is opened when it is needed.
      native.close();
      this.#native = undefined;
      this.untrack();
      // The verifier gives up when a signal is pending (bpf_check in kernel/bpf/verifier.c), as a profiler's always is;
      // libbpf tries 5 times.
      if (outcome.errno === Errno.EAGAIN && ++interruptions < MAX_INTERRUPTIONS) continue;
      const { refused } = outcome;
      const larger = refused?.truncated ? NativeObject.nextLogBytes(logBytes.get(refused.program)) : undefined;
      if (refused !== undefined && larger !== undefined) logBytes.set(refused.program, larger);
      else if (collect) {
        if (outcome.errno === Errno.EINVAL && refused === undefined)
          requireTypes(types, { subject: `object "${this.name}"` });
        throw this.#loadError(outcome);
      }
      collect = true;
    }
  }

  /** @internal */
  protected override release(): void {
    this.#native?.close();
    this.#native = undefined;
  }

  #loaded(native: NativeObject): BpfObject {
    try {
      const object = BpfObject.make(this.name, native);
      this.#native = undefined;
      return object;
    } finally {
      // On success it has nothing left to free; otherwise it frees what was loaded.
      this.close();
    }
  }

  #loadError({ errno, lines, refused }: Extract<LoadOutcome, { ok: false }>): Error {
    const operation = 'bpf_object__load';
    const telling = tellingLine(lines);
    const limited = errno === Errno.EMFILE || errno === Errno.ENFILE || errno === Errno.ENOMEM;
    const hint = telling === undefined || limited || errno === Errno.EPERM ? undefined : `libbpf: ${telling}`;
    const error = systemError(errno, { operation, subject: `object "${this.name}"`, hint, lines });
    if (lines.some(line => NO_BTF.test(line)))
      return btfMissing({ operation, subject: error.subject, cause: error.cause });
    if (refused === undefined || error.code === 'ERR_BPF_PERMISSION') return error;
    const verdict = new VerifierError(refused.program, refused.log, {
      errno: errno === Errno.ENOSPC ? undefined : errno,
      operation,
      subject: `program "${refused.program}" of object "${this.name}"`,
      cause: error.cause,
    });
    // Without it the verifier knows fewer helpers and allows less, and says so as if the program were wrong.
    const missing = missingCapabilities();
    if (missing.length === 0 && LOCKED_DOWN.test(refused.log) && /locked down/.test(whyRefused()))
      return new PermissionError([], {
        errno,
        operation,
        subject: verdict.subject,
        cause: verdict,
        hint: whyRefused(),
      });
    if (missing.includes('CAP_PERFMON'))
      return new PermissionError(missing, { errno, operation, subject: verdict.subject, cause: verdict });
    return verdict;
  }

  #live(): NativeObject {
    this.ensureOpen();
    if (this.#native === undefined) {
      const native = NativeObject.open(this.#bytes, this.name);
      try {
        for (const change of this.#changes.values()) change(native);
      } catch (error) {
        native.close();
        throw error;
      }
      this.#native = native;
      this.track();
    }
    return this.#native;
  }

  #variables(): Map<string, VariablePlace> {
    const section = this.#sections.find(({ name }) => name === '.BTF');
    const btf = section === undefined ? undefined : Btf.parse(section.data, this.name);
    const places = elfVariables(this.#sections)
      .filter(variable => VARIABLE_SECTION.test(variable.section) && variable.size > 0)
      .map(variable => ({ ...variable, signed: btf?.variable(variable.name)?.signed ?? false }));
    return new Map(places.map(place => [place.name, place]));
  }

  #initialValue(section: string): Buffer {
    const map = pick(this.#live().maps, section, `${this.label}: no section`);
    const size = Buffer.alloc(8);
    const address = libbpf.bpf_map__initial_value(map, size);
    return address === 0 ? Buffer.alloc(0) : copyFrom(address, readWord(size, 0));
  }
}
