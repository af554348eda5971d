import { DirectoryLock } from '../../bpf/internal';
import { BpfError, ClosedError, ForeignPinError, NotPinnedError } from '../../errors';
import { assertAcceleration, resolvePinDirectory, type Acceleration } from '../../policy';
import { Datapath } from '../datapath/datapath';
import type { MeshCounters } from '../maps/counters';
import { LocalPodIps } from '../maps/local-pod-ips';
import { mapFill, type MapFill } from '../maps/map-fill';
import { pinDirectoryExists } from './pin-directory';
import { readPinTree } from './pin-tree';
import { OpenPinSet } from './pinned-set';
import { typedError } from '../requirements';
import { WriterLock } from './writer-lock';

/** The pods of a mesh that another process keeps up to date. */
export type PinnedPods = Pick<LocalPodIps, 'get' | 'has' | 'keys' | 'values' | 'entries' | 'size' | 'maxEntries'>;

/** What is open of the set that counts now. */
interface OpenSet {
  readonly set: OpenPinSet;
  readonly datapath: Datapath;
  /** Only for who asks: the switch works whatever the layout of the pods is. */
  pods?: LocalPodIps | undefined;
}

/**
 * A mesh by its pins, from any process of the node, whether the process that started it is alive or not: for the
 * switch, and to look.
 *
 * It attaches and detaches nothing, and it does not stand in the way of that process. When that is replaced by another
 * version meanwhile, this goes on with what is pinned then; the switch and the counters work with pins of other
 * versions.
 *
 * @example
 * ```ts
 * import { PinnedMesh } from 'merbridge';
 *
 * using mesh = PinnedMesh.open('/sys/fs/bpf/merbridge');
 * mesh.acceleration = 'off'; // every connection of this node takes the TCP stack from its next message on
 * console.log(mesh.counters().redirectedMessages);
 * ```
 */
export class PinnedMesh implements Disposable {
  /** The directory for pins. */
  readonly pinDirectory: string;
  readonly #writers: WriterLock;
  #open: OpenSet | undefined;
  #closed = false;

  private constructor(pinDirectory: string, open: OpenSet, writers: WriterLock) {
    this.pinDirectory = pinDirectory;
    this.#open = open;
    this.#writers = writers;
  }

  /**
   * Opens a mesh that is pinned. The caller closes it.
   *
   * @param pinDirectory - the directory for pins that the mesh was started with
   * @throws TypeError if it is not an absolute path
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if no mesh is pinned there
   * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if something lies there that is not of this library
   * @throws NotABpfFileSystemError (`ERR_BPF_NOT_A_BPFFS`) if the directory is in none
   */
  static open(pinDirectory: string): PinnedMesh {
    const directory = resolvePinDirectory(pinDirectory, 'PinnedMesh');
    let writers: WriterLock | undefined;
    try {
      if (!pinDirectoryExists(directory)) throw new NotPinnedError(directory);
      const open = openRunning(directory, () => (writers ??= openWriters(directory)));
      return new PinnedMesh(directory, open, writers!);
    } catch (error) {
      writers?.[Symbol.dispose]();
      throw typedError(error);
    }
  }

  /**
   * The scope for pods that do not choose their own, as it is now.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if the mesh was removed meanwhile
   */
  get acceleration(): Acceleration {
    return this.#current().datapath.settings.acceleration;
  }

  /**
   * Changes it, for existing connections too; see {@link MeshAccelerator.acceleration}. A later start keeps it, unless
   * it says otherwise. There is no `warning` here of what the kernel lacks for `'full'`: {@link diagnose} tells, and
   * that start.
   *
   * @throws TypeError if it is no scope
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if the mesh was removed meanwhile
   */
  set acceleration(value: Acceleration) {
    assertAcceleration(value, 'acceleration');
    this.#writers.hold(() => {
      this.#current().datapath.settings.acceleration = value;
    });
  }

  /**
   * The pods that are enrolled. To read: what is written belongs to the process that keeps them up to date.
   *
   * @throws MapIncompatibleError (`ERR_BPF_MAP_INCOMPATIBLE`) if another version pinned them, and keeps them otherwise
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if the mesh was removed meanwhile
   */
  get localPodIps(): PinnedPods {
    return retried(() => {
      const open = this.#current();
      return (open.pods ??= new LocalPodIps(open.set));
    });
  }

  /**
   * What the programs counted since the mesh was pinned, summed over all CPUs.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if the mesh was removed meanwhile
   */
  counters(): MeshCounters {
    return this.#current().datapath.counters.read();
  }

  /**
   * How full the maps are; see {@link MeshAccelerator.mapFill}. What another version does not have is left out.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}, also meanwhile
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if the mesh was removed meanwhile
   */
  async mapFill(): Promise<MapFill[]> {
    const maps = retried(() => this.#current().set.maps());
    return mapFill(name => maps.get(name));
  }

  /**
   * Id of the process that keeps the mesh up to date; `undefined` if there is none, or if it is in another process
   * namespace.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) after {@link close}
   */
  agent(): number | undefined {
    if (this.#closed) throw new ClosedError('PinnedMesh');
    using directory = DirectoryLock.open(this.pinDirectory);
    return directory.holder();
  }

  /** Gives back what it holds; the mesh goes on. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#open?.set[Symbol.dispose]();
    this.#writers[Symbol.dispose]();
  }

  /** Same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** A start replaces the set: what is open then is of no effect any more. */
  #current(): OpenSet {
    if (this.#closed) throw new ClosedError('PinnedMesh');
    if (this.#open?.set.isRunning()) return this.#open;
    this.#open?.set[Symbol.dispose]();
    this.#open = undefined;
    this.#open = openRunning(this.pinDirectory, () => this.#writers);
    return this.#open;
  }
}

const ATTEMPTS = 10;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

function runningSet(pinDirectory: string): OpenPinSet {
  const { running, runningLink } = readPinTree(pinDirectory);
  if (running === undefined) throw new NotPinnedError(pinDirectory);
  return new OpenPinSet(running, runningLink);
}

function openWriters(directory: string): WriterLock {
  try {
    return WriterLock.open(directory);
  } catch (cause) {
    // Removed at this moment.
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw new NotPinnedError(directory, { cause });
    throw cause;
  }
}

/**
 * The set that is running. The lock is opened last: a directory of somebody else has none, and what is wrong with it is
 * to be said.
 */
function openRunning(pinDirectory: string, writers: () => WriterLock): OpenSet {
  return retried(() => {
    const set = runningSet(pinDirectory);
    try {
      const datapath = new Datapath(set, writers());
      // Opened at once: later they may be gone.
      void [datapath.settings, datapath.counters];
      return { set, datapath };
    } catch (error) {
      set[Symbol.dispose]();
      throw error;
    }
  });
}

/**
 * A start may change what is being read: then something seems to be missing, or foreign, for a moment, and the next set
 * is looked at.
 */
function retried<T>(body: () => T): T {
  for (let attempt = 1; ; attempt++) {
    try {
      return body();
    } catch (error) {
      const isOfMoment =
        error instanceof ForeignPinError || (error instanceof BpfError && error.errnoName === 'ENOENT');
      if (attempt === ATTEMPTS || !isOfMoment) throw error;
      Atomics.wait(sleeper, 0, 0, 2);
    }
  }
}
