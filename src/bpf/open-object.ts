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
import { refuseUnknown } from '../checks';

/** Options of {@link OpenBpfObject.open} and {@link OpenBpfObject.openFile}. */
export interface OpenObjectOptions {
  /**
   * Name of the object in messages. Default: the name of the file without `.bpf.o` or `.o`, or `'object'` for bytes in
   * memory.
   */
  name?: string | undefined;
}

/** ELF sections that contain global variables. */
const VARIABLE_SECTION = /^\.(rodata|data|bss)/;

/** Output of libbpf if it finds no BTF of the kernel. */
const NO_BTF = /kernel BTF is missing|failed to find valid kernel BTF/;

/**
 * Output of the verifier if kernel lockdown disables a helper. libbpf finds that bpf_probe_read_kernel is missing and
 * takes the older function instead.
 */
const LOCKED_DOWN = /(unknown func|cannot use helper) bpf_probe_read(_kernel)?#/;

/**
 * An object file that is open but not loaded: nothing of it is in the kernel, and its settings can be changed.
 *
 * `load()` returns a {@link BpfObject} and closes this object. If loading fails, this object stays open: correct the
 * settings and load again, or close it. It holds memory but no kernel resources.
 *
 * @see https://docs.kernel.org/bpf/libbpf/libbpf_overview.html
 *
 * @example
 * ```ts
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
  /** Name of the object in messages. */
  readonly name: string;
  readonly #bytes: Buffer;
  readonly #sections: readonly ElfSection[];
  /** Changes to apply again if the object has to be reopened: libbpf cannot load an object twice. */
  readonly #changes = new Map<string, (native: NativeObject) => void>();
  readonly #access: OpenObjectAccess;
  #native: NativeObject | undefined;

  private constructor(bytes: Buffer, name: string) {
    // Checked before libbpf parses the file, so that the error says exactly what is wrong with it.
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
   * @param path - file that clang wrote for the target `bpf` with BTF (`-g`)
   * @param options - name of the object in messages
   * @returns the open object. The caller closes it
   * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if the file is missing, not readable or damaged
   * @throws TypeError if the path is not a non-empty string, or an option is unknown
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the process or the machine is out of memory or file descriptors
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static openFile(path: string, options: OpenObjectOptions = {}): OpenBpfObject {
    refuseUnknown(options, 'openFile', { known: ['name'] });
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
   * @param bytes - contents of the file. They are copied
   * @param options - name of the object in messages
   * @returns the open object. The caller closes it
   * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if the file is damaged
   * @throws TypeError if `bytes` is not a Uint8Array, or an option is unknown
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the process or the machine is out of memory or file descriptors
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  static open(bytes: Uint8Array, options: OpenObjectOptions = {}): OpenBpfObject {
    refuseUnknown(options, 'open', { known: ['name'] });
    if (!(bytes instanceof Uint8Array)) throw new TypeError('bytes: a Buffer or Uint8Array is needed');
    return new OpenBpfObject(Buffer.from(bytes), options.name ?? 'object');
  }

  /**
   * Returns the declaration of a map.
   *
   * @param name - name in C. For maps behind global variables: the section, such as `.rodata`
   * @returns the declaration. It is valid until the object is loaded or closed
   * @throws RangeError if there is no such map; the message lists the existing ones
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  map(name: string): OpenBpfMap {
    pick(this.#live().maps, name, `${this.label}: no map`);
    return OpenBpfMap.make(name, this.#access);
  }

  /**
   * Returns the declarations of all maps, including those behind global variables.
   *
   * @returns the declarations in the order of the object file
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  maps(): OpenBpfMap[] {
    return [...this.#live().maps.keys()].map(name => OpenBpfMap.make(name, this.#access));
  }

  /**
   * Returns a program.
   *
   * @param name - name of its C function
   * @returns the program. It is valid until the object is loaded or closed
   * @throws RangeError if there is no such program; the message lists the existing ones
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  program(name: string): OpenBpfProgram {
    pick(this.#live().programs, name, `${this.label}: no program`);
    return OpenBpfProgram.make(name, this.#access);
  }

  /**
   * Returns all programs.
   *
   * @returns the programs in the order of the object file
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  programs(): OpenBpfProgram[] {
    return [...this.#live().programs.keys()].map(name => OpenBpfProgram.make(name, this.#access));
  }

  /**
   * Returns a global variable. The compiler may optimise variables away; to prevent it, declare settings as `const
   * volatile`.
   *
   * @param name - name in C
   * @returns the variable. It is valid until the object is loaded or closed
   * @throws RangeError if there is no such variable; the message lists the existing ones
   * @throws ObjectFileError (`ERR_BPF_OBJECT_FILE`) if the BTF of the object is damaged
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
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
   * Creates the maps in the kernel, and verifies and loads the programs. This object is closed afterwards.
   *
   * @returns the loaded object. The caller closes it
   * @throws VerifierError (`ERR_BPF_VERIFIER`) if the verifier refuses a program; `log` is complete
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities. Without CAP_PERFMON, a refusal by
   * the verifier is reported like this too, with the VerifierError as `cause`
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if the kernel lacks a type of map or program, or its own BTF
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if something else fails, for instance with errnoName `'EMFILE'`. `hint` is
   * the relevant line of libbpf's output, and `cause` has all of it
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  load(): BpfObject {
    const logBytes = new Map<string, number>();
    // Collected only after a failure, and then in every further attempt: see native/log.ts.
    let collect = false;
    for (;;) {
      const native = this.#live();
      requireFds(native.fdCount, this.label);
      const types = native.types();
      const outcome = native.load(logBytes, collect);
      if (outcome.ok) return this.#loaded(native);
      // libbpf cannot load this object again. The next attempt opens a new one.
      native.close();
      this.#native = undefined;
      this.untrack();
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
      // After success nothing is left to free. After a failure this frees what was loaded.
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
    // Without the capability, the verifier offers fewer helpers and checks more strictly, and reports it as a fault of
    // the program.
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
