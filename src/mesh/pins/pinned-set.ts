import { join } from 'node:path';
import { BpfLink, BpfMapHandle, BpfProgram, type BpfMap } from '../../bpf';
import type { MapsByName } from '../maps/maps-by-name';
import { makeDirectory } from './pin-directory';
import { pinPaths, programIds, type PinSet, type LinkPin } from './pin-tree';
import { Resources } from '../resources';

/** The maps and programs of a pinned set. Each is opened on first use. */
export class OpenPinSet implements MapsByName, Disposable {
  readonly #set: PinSet;
  readonly #resources = new Resources();
  readonly #maps = new Map<string, BpfMapHandle>();

  /**
   * @param set - the set
   * @param runBy - a link that runs one of its programs
   */
  constructor(
    set: PinSet,
    readonly runBy?: LinkPin,
  ) {
    this.#set = set;
  }

  /**
   * Tells whether the links still run this set. A start may have replaced it.
   *
   * @returns whether it is the running set
   */
  isRunning(): boolean {
    if (this.runBy === undefined) return false;
    try {
      using link = BpfLink.openPin(this.runBy.path);
      return programIds(this.#set).has(link.programId());
    } catch {
      return false; // the mesh is being removed
    }
  }

  map(name: string): BpfMapHandle {
    let map = this.#maps.get(name);
    if (map === undefined) {
      const pin = this.#set.maps.get(name);
      if (pin === undefined) throw new RangeError(`${this.#set.path}: no map "${name}" is pinned`);
      map = this.#resources.use(BpfMapHandle.fromPin(pin.path));
      this.#maps.set(name, map);
    }
    return map;
  }

  maps(): Map<string, BpfMap> {
    return new Map([...this.#set.maps.keys()].map(name => [name, this.map(name)]));
  }

  /**
   * Opens a program.
   *
   * @param name - its name
   * @returns the program. This object closes it. `undefined` if there is none of that name
   */
  program(name: string): BpfProgram | undefined {
    const pin = this.#set.programs.get(name);
    return pin && this.#resources.use(BpfProgram.fromPin(pin.path));
  }

  [Symbol.dispose](): void {
    this.#maps.clear();
    this.#resources[Symbol.dispose]();
  }
}

/** Whether to pin a map. The maps of global variables are not pinned, because they belong to their programs alone. */
function isPinned(map: BpfMap): boolean {
  return !map.name.startsWith('.');
}

/**
 * Pins maps and programs as a new set. The set has no effect before a link runs its programs.
 *
 * @internal
 * @param directory - the pin directory
 * @param number - number of the new set
 * @param maps - the maps. A map that is also in another set gets another pin
 * @param programs - the programs
 */
export function pinSet(
  directory: string,
  number: number,
  maps: readonly BpfMap[],
  programs: readonly BpfProgram[],
): void {
  const paths = pinPaths(directory);
  const path = paths.set(number);
  const [mapsPath, programsPath] = [join(path, 'maps'), join(path, 'programs')];
  for (const each of [paths.layout, paths.links, paths.sets, path, mapsPath, programsPath]) makeDirectory(each);
  for (const map of maps.filter(isPinned)) map.pin(join(mapsPath, map.name));
  for (const program of programs) program.pin(join(programsPath, program.name));
}
