import { libbpf } from '../native';
import { Handle } from './handle';
import { BpfMapHandle } from './maps/map';
import type { NativeObject } from './native-object';
import { attachTypeOf } from './open-program';
import { BpfProgram } from './program';

/**
 * An object that is loaded: its maps exist in the kernel and its programs passed the verifier. None of them is
 * attached.
 *
 * Owns its maps and programs: `close()` closes them, and the typed views on the maps, youngest first. What is pinned or
 * attached stays in the kernel nevertheless.
 */
export class BpfObject extends Handle {
  /** Name it was opened under. */
  readonly name: string;
  readonly #native: NativeObject;
  readonly #maps = new Map<string, BpfMapHandle>();
  readonly #programs = new Map<string, BpfProgram>();

  private constructor(name: string, native: NativeObject) {
    super(`object "${name}"`);
    this.name = name;
    this.#native = native;
    for (const [mapName, at] of native.maps) {
      const fd = libbpf.bpf_map__fd(at);
      if (fd >= 0) this.#maps.set(mapName, BpfMapHandle.make({ fd, owned: false, name: mapName, parent: this }));
    }
    for (const [programName, at] of native.programs) {
      const fd = libbpf.bpf_program__fd(at);
      if (fd < 0) continue;
      const attachType = attachTypeOf(at);
      this.#programs.set(
        programName,
        BpfProgram.make({ fd, owned: false, name: programName, attachType, parent: this }),
      );
    }
  }

  /** @internal */
  static make(name: string, native: NativeObject): BpfObject {
    return new BpfObject(name, native);
  }

  /**
   * A map by its name in C.
   *
   * @param name - of maps behind global variables the section, such as `.bss`
   * @throws RangeError when there is none; the message lists those that are there
   */
  map(name: string): BpfMapHandle {
    this.ensureOpen();
    return pick(this.#maps, name, `${this.label}: no map`);
  }

  /** All maps, in the order of the object file. */
  maps(): BpfMapHandle[] {
    this.ensureOpen();
    return [...this.#maps.values()];
  }

  /**
   * A program by the name of its C function.
   *
   * @throws RangeError when there is none, or when it was not loaded because `autoload` was false
   */
  program(name: string): BpfProgram {
    this.ensureOpen();
    return pick(this.#programs, name, `${this.label}: no loaded program`);
  }

  /** All programs that were loaded, in the order of the object file. */
  programs(): BpfProgram[] {
    this.ensureOpen();
    return [...this.#programs.values()];
  }

  /** @internal */
  protected override release(): void {
    this.#native.close();
  }
}

/** @internal */
export function pick<T>(from: ReadonlyMap<string, T>, name: string, what: string): T {
  const found = from.get(name);
  if (found === undefined) {
    throw new RangeError(
      `${what} "${name}"; there ${from.size === 0 ? 'are none' : `is ${[...from.keys()].join(', ')}`}`,
    );
  }
  return found;
}
