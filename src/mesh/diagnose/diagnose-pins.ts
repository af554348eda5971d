import { DirectoryLock } from '../../bpf/internal';
import { mapFill, type MapFill } from '../maps/map-fill';
import { pinDirectoryExists } from '../pins/pin-directory';
import { readPinTree } from '../pins/pin-tree';
import { OpenPinSet } from '../pins/pinned-set';

/** What is pinned. */
export interface DiagnosedPins {
  readonly directory: string;
  /** Whether the directory is there. */
  readonly exists: boolean;
  /** The attachments. */
  readonly links: readonly {
    readonly name: string;
    readonly id: number;
    readonly programId: number;
    readonly attached: boolean;
  }[];
  /** How many sets of maps and programs there are: one, or more after a start that was killed. */
  readonly sets: number;
  /** The set that the links run; `undefined` if nothing runs. */
  readonly running: number | undefined;
  /** Id of the process that holds the directory; `undefined` if none does, or if it is in another process namespace. */
  readonly agent: number | undefined;
  /** How full the maps are of the set that runs. */
  readonly maps: readonly MapFill[];
}

/** @internal */
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
