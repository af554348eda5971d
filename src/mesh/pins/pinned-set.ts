import { join } from 'node:path';
import { BpfLink, BpfMapHandle, BpfProgram, type BpfMap } from '../../bpf';
import type { MapsByName } from '../maps/maps-by-name';
import { makeDirectory } from './pin-directory';
import { pinPaths, programIds, type PinSet, type LinkPin } from './pin-tree';
import { Resources } from '../resources';

/** The maps and programs of a pinned set, open. */
export class OpenPinSet implements MapsByName, Disposable {
  readonly #set: PinSet;
  readonly #resources = new Resources();
  readonly #maps = new Map<string, BpfMapHandle>();

  /**
   * @param set - what to open, when it is asked for
   * @param runBy - the link that runs it
   */
  constructor(
    set: PinSet,
    readonly runBy?: LinkPin,
  ) {
    this.#set = set;
  }

  /** Whether it is what the links run; a start may have put another one in its place. */
  isRunning(): boolean {
    if (this.runBy === undefined) return false;
    try {
      using link = BpfLink.openPin(this.runBy.path);
      return programIds(this.#set).has(link.programId());
    } catch {
      return false; // it is being removed
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

  /** A program, or `undefined` if none of that name is there. The set closes it. */
  program(name: string): BpfProgram | undefined {
    const pin = this.#set.programs.get(name);
    return pin && this.#resources.use(BpfProgram.fromPin(pin.path));
  }

  [Symbol.dispose](): void {
    this.#maps.clear();
    this.#resources[Symbol.dispose]();
  }
}

/** Whether a map is pinned: all are but those behind global variables, which belong to their programs alone. */
function isPinned(map: BpfMap): boolean {
  return !map.name.startsWith('.');
}

/**
 * Pins what was loaded as a set of its own. Nothing counts on it before a link runs its programs.
 *
 * @internal
 * @param directory - the pin directory
 * @param number - of the new set
 * @param maps - what to pin; those that other sets have, too, get one more pin
 * @param programs - likewise
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
