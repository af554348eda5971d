import { DirectoryLock } from '../../bpf/internal';
import { BpfError, ClosedError, ForeignPinError, NotPinnedError } from '../../errors';
import { assertAcceleration, type Acceleration } from '../../policy';
import { resolvePinDirectory } from './pin-path';
import { Datapath } from '../datapath/datapath';
import type { MeshCounters } from '../maps/counters';
import { LocalPodIps } from '../maps/local-pod-ips';
import { mapFill, type MapFill } from '../maps/map-fill';
import { pinDirectoryExists } from './pin-directory';
import { readPinTree } from './pin-tree';
import { OpenPinSet } from './pinned-set';
import { typedError } from '../requirements';
import { WriterLock } from './writer-lock';

/** The enrolled pods of a mesh, read-only, because another process keeps them up to date. */
export type PinnedPods = Pick<LocalPodIps, 'get' | 'has' | 'keys' | 'values' | 'entries' | 'size' | 'maxEntries'>;

/** The open handles of the running set. */
interface OpenSet {
  readonly set: OpenPinSet;
  readonly datapath: Datapath;
  /** Opened on first use, because the settings are usable even if the layout of the pods is not. */
  pods?: LocalPodIps | undefined;
}

/**
 * Opens a mesh through its pins, from any process of the node, to change its scope and to observe it. The process that
 * started the mesh may be running or not.
 *
 * This object attaches and detaches nothing, and does not block that process. If another version takes the mesh over
 * meanwhile, this object continues with the new pins. Scope and counters work with pins of other versions.
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
  /** Path of the pin directory. */
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
   * Opens a pinned mesh.
   *
   * @param pinDirectory - path of the pin directory that the mesh was started with
   * @returns the mesh. The caller closes it
   * @throws TypeError if `pinDirectory` is not an absolute path
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if no mesh is pinned there
   * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if the directory contains something that this library did not make,
   * a pin cannot be opened, or another user may write to the directory
   * @throws PinConflictError (`ERR_BPF_PIN_CONFLICT`) if a later version made the pins with another layout
   * @throws NotABpfFileSystemError (`ERR_BPF_NOT_A_BPFFS`) if the directory is not in a BPF file system
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
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
   * The current scope of acceleration for pods that do not set their own.
   *
   * @throws ClosedError (`ERR_BPF_CLOSED`) if this object is closed
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if the mesh was removed meanwhile
   */
  get acceleration(): Acceleration {
    return this.#current().datapath.settings.acceleration;
  }

  /**
   * Changes the scope, also for existing connections; see {@link MeshAccelerator.acceleration}. A later start keeps it,
   * unless its options set another one. This does not warn if the kernel lacks a feature for `'full'`. {@link diagnose}
   * and the next start do.
   *
   * @throws TypeError if the value is not a scope
   * @throws ClosedError (`ERR_BPF_CLOSED`) if this object is closed
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if the mesh was removed meanwhile
   */
  set acceleration(value: Acceleration) {
    assertAcceleration(value, 'acceleration');
    this.#writers.hold(() => {
      this.#current().datapath.settings.acceleration = value;
    });
  }

  /**
   * The enrolled pods, read-only, because the process that keeps them up to date owns the map.
   *
   * @throws MapIncompatibleError (`ERR_BPF_MAP_INCOMPATIBLE`) if another version pinned them with another layout
   * @throws ClosedError (`ERR_BPF_CLOSED`) if this object is closed
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if the mesh was removed meanwhile
   */
  get localPodIps(): PinnedPods {
    return retried(() => {
      const open = this.#current();
      return (open.pods ??= new LocalPodIps(open.set));
    });
  }

  /**
   * Reads the counters of the programs since the mesh was pinned.
   *
   * @returns the sums over all CPUs
   * @throws ClosedError (`ERR_BPF_CLOSED`) if this object is closed
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if the mesh was removed meanwhile
   */
  counters(): MeshCounters {
    return this.#current().datapath.counters.read();
  }

  /**
   * Tells how full the maps are; see {@link MeshAccelerator.mapFill}. Maps that another version does not have are left
   * out.
   *
   * @returns one element for each map that can become full
   * @throws ClosedError (`ERR_BPF_CLOSED`) if this object is closed, even while this runs
   * @throws NotPinnedError (`ERR_BPF_NOT_PINNED`) if the mesh was removed meanwhile
   */
  async mapFill(): Promise<MapFill[]> {
    const maps = retried(() => this.#current().set.maps());
    return mapFill(name => maps.get(name));
  }

  /**
   * Finds the process that keeps the mesh up to date.
   *
   * @returns its id. `undefined` if there is none, or if it is in another pid namespace
   * @throws ClosedError (`ERR_BPF_CLOSED`) if this object is closed
   */
  agent(): number | undefined {
    if (this.#closed) throw new ClosedError('PinnedMesh');
    using directory = DirectoryLock.open(this.pinDirectory);
    return directory.holder();
  }

  /** Closes the handles of this object. The mesh continues. */
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

  /** A start replaces the running set. Then the open handles have no effect any more, and the new set is opened. */
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
    // The mesh is being removed.
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw new NotPinnedError(directory, { cause });
    throw cause;
  }
}

/**
 * Opens the running set. The lock is opened last, because a foreign directory has none, and reading the pins gives the
 * better error message.
 */
function openRunning(pinDirectory: string, writers: () => WriterLock): OpenSet {
  return retried(() => {
    const set = runningSet(pinDirectory);
    try {
      const datapath = new Datapath(set, writers());
      // Open these maps now, because their pins may be removed later.
      void [datapath.settings, datapath.counters];
      return { set, datapath };
    } catch (error) {
      set[Symbol.dispose]();
      throw error;
    }
  });
}

/**
 * Retries a function while a start changes the pins that it reads. A pin can then seem missing or foreign for a moment.
 * The next attempt finds the new set.
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
