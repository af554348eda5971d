import { libbpf } from '../native';
import { Handle } from './handle';
import { BpfMapHandle } from './maps/map';
import type { NativeObject } from './native-object';
import { attachTypeOf } from './open-program';
import { BpfProgram } from './program';

/**
 * A loaded object: its maps exist in the kernel, and the verifier accepted its programs. Nothing is attached.
 *
 * It owns its maps and programs: `close()` closes them and the typed views on the maps, in reverse order of their
 * creation. What is pinned or attached stays in the kernel.
 *
 * @example
 * ```ts
 * import { BpfHashMap, OpenBpfObject, u32 } from 'merbridge/bpf';
 *
 * const object = OpenBpfObject.openFile('connect.bpf.o').load();
 * const ports = BpfHashMap.from(object.map('ports'), { key: u32, value: u32 });
 * ports.set(80, 15001);
 * object.close(); // closes ports too
 * ```
 */
export class BpfObject extends Handle {
  /** Name of the object in messages. */
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
   * Returns a map.
   *
   * @param name - name in C. For maps behind global variables: the section, such as `.bss`
   * @returns the map. It belongs to the object
   * @throws RangeError if there is no such map; the message lists the existing ones
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  map(name: string): BpfMapHandle {
    this.ensureOpen();
    return pick(this.#maps, name, `${this.label}: no map`);
  }

  /**
   * Returns all maps.
   *
   * @returns the maps in the order of the object file
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  maps(): BpfMapHandle[] {
    this.ensureOpen();
    return [...this.#maps.values()];
  }

  /**
   * Returns a program.
   *
   * @param name - name of its C function
   * @returns the program. It belongs to the object
   * @throws RangeError if there is no such program, or if it was not loaded because `autoload` was false
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  program(name: string): BpfProgram {
    this.ensureOpen();
    return pick(this.#programs, name, `${this.label}: no loaded program`);
  }

  /**
   * Returns all loaded programs.
   *
   * @returns the programs in the order of the object file
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
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
      `${what} "${name}"; ${from.size === 0 ? 'there are none' : `known are ${[...from.keys()].join(', ')}`}`,
    );
  }
  return found;
}
