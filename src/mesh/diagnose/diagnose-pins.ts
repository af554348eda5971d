import { DirectoryLock } from '../../bpf/internal';
import { mapFill, type MapFill } from '../maps/map-fill';
import { pinDirectoryExists } from '../pins/pin-directory';
import { readPinTree } from '../pins/pin-tree';
import { OpenPinSet } from '../pins/pinned-set';

/** The contents of a pin directory. */
export interface DiagnosedPins {
  /** Path of the pin directory. */
  readonly directory: string;
  /** Whether the directory exists. */
  readonly exists: boolean;
  /** The pinned links: name, link id, program id, and whether the link is attached. */
  readonly links: readonly {
    readonly name: string;
    readonly id: number;
    readonly programId: number;
    readonly attached: boolean;
  }[];
  /** Number of pinned sets of maps and programs: one, or more after a start that was killed. */
  readonly sets: number;
  /** Number of the set whose programs the links run. `undefined` if no link runs a program. */
  readonly running: number | undefined;
  /** Id of the process that holds the directory. `undefined` if there is none, or if it is in another pid namespace. */
  readonly agent: number | undefined;
  /** How full the maps of the running set are. */
  readonly maps: readonly MapFill[];
}

/**
 * Looks at a pin directory and changes nothing.
 *
 * @internal
 * @param directory - its path
 * @returns its contents
 */
export async function diagnosePins(directory: string): Promise<DiagnosedPins> {
  if (!pinDirectoryExists(directory))
    return { directory, exists: false, links: [], sets: 0, running: undefined, agent: undefined, maps: [] };
  using lock = DirectoryLock.open(directory);
  const { links, unknownLinks, sets, running } = readPinTree(directory);
  using open = running === undefined ? undefined : new OpenPinSet(running);
  const maps = open?.maps();
  return {
    directory,
    exists: true,
    links: [...links.values(), ...unknownLinks].map(({ name, id, programId, isAttached }) => ({
      name,
      id,
      programId,
      attached: isAttached,
    })),
    sets: sets.length,
    running: running?.number,
    agent: lock.holder(),
    maps: maps === undefined ? [] : await mapFill(name => maps.get(name)),
  };
}
