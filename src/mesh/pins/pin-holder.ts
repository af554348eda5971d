import { setTimeout } from 'node:timers/promises';
import { BpfLink, Cgroup } from '../../bpf';
import { copyEntries } from '../../bpf/internal';
import { DEFAULT_ACCELERATION } from '../../policy';
import { refuseSecond } from '../accelerators/refuse-second';
import { Datapath, SETTLED_MS } from '../datapath/datapath';
import type { HeldLink, Holder, MeshAdoption } from '../datapath/holder';
import { load, type Loaded } from '../datapath/load';
import { findingsOf, witness, type KernelFindings } from '../datapath/witness';
import { NO_EVENTS, OWNED_BY_PINS } from '../maps/mesh-settings';
import type { ResolvedOptions } from '../mesh-options';
import { Resources } from '../resources';
import { assertSameMesh } from './assert-same-mesh';
import { LinkSwitch } from './link-switch';
import { makeDirectory, PinDirectory } from './pin-directory';
import { allProgramIds, isInUse, pinPaths, readPinTree, type PinSet, type PinTree } from './pin-tree';
import { identityMap } from './pinned-identity';
import { OpenPinSet, pinSet } from './pinned-set';
import { removeEmptyLayout, removeOthers, removeSet } from './remove-pins';
import { Undo } from './undo';
import { endLinks, unknownLinks } from './unknown-links';
import { WriterLock } from './writer-lock';

/** Maps whose entries are not copied. Sockets cannot be copied to another map, so their number is not copied either. */
const COUNTS_ANEW: ReadonlySet<string> = new Set(['socket_count']);

/** The datapath of an earlier process. */
interface Before {
  readonly set: OpenPinSet;
  readonly datapath: Datapath;
}

/**
 * Holds a datapath with pins. The programs stay attached when this process ends, and a later process takes them over.
 *
 * A start changes a running mesh only after it has loaded and pinned everything new. Then it updates the links in
 * place, in microseconds. A process that is killed before leaves a new set that no link runs. A process that is killed
 * after leaves the old set, which no link runs any more.
 *
 * @internal
 */
export class PinHolder implements Holder {
  readonly datapath: Datapath;
  readonly kernel: KernelFindings;
  readonly adoption: MeshAdoption | undefined;
  readonly #options: ResolvedOptions;
  readonly #directory: string;
  readonly #resources: Resources;
  readonly #cgroup: Cgroup;
  readonly #tree: PinTree;
  readonly #before: Before | undefined;
  /** Sets to remove when this start has succeeded. */
  readonly #stale: readonly PinSet[];
  readonly #loaded: Loaded;
  readonly #writers: WriterLock;

  /**
   * Loads the programs and reuses pinned maps that have the same layout. It does not change a running mesh. If it
   * fails, everything that it created is removed.
   *
   * @param options - the cgroup, the mesh, the sizes
   * @param directory - the pin directory
   * @returns the holder. The caller closes it
   * @throws Error (as MeshAccelerator.start) if the pins cannot be taken over, or the programs cannot be loaded
   */
  static open(options: ResolvedOptions, directory: string): PinHolder {
    const resources = new Resources();
    try {
      return new PinHolder(options, directory, resources);
    } catch (error) {
      resources[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(options: ResolvedOptions, directory: string, resources: Resources) {
    this.#options = options;
    this.#directory = directory;
    this.#resources = resources;
    this.#cgroup = resources.use(Cgroup.open(options.cgroup));
    const held = resources.use(PinDirectory.hold(directory));
    resources.use({ [Symbol.dispose]: () => held.removeIfMade() });
    this.#tree = readPinTree(directory);
    assertSameMesh(directory, this.#tree, this.#cgroup, options.profile);
    refuseSecond(this.#cgroup, { ids: allProgramIds(this.#tree) });
    // All contents of the directory were checked and belong to this library, so they may be changed from here on. Empty
    // directories are left from a failed start, which may be this one.
    resources.use({ [Symbol.dispose]: () => removeEmptyLayout(directory) });
    const { running } = this.#tree;
    // Sets whose programs are in use are removed last. If this start is killed, the next one would refuse a link whose
    // program is not pinned as foreign.
    this.#stale = this.#tree.sets.filter(set => isInUse(set, this.#tree));
    for (const set of this.#tree.sets) if (!this.#stale.includes(set)) removeSet(set);
    const before = running && resources.use(new OpenPinSet(running));
    const tried = witness();
    tried.pair.close();
    this.kernel = findingsOf(tried, options.backlogAccount);
    this.#loaded = load(options, this.kernel.account, before?.maps());
    const object = resources.use(this.#loaded.object);
    this.adoption = before && carryOver(before, this.#loaded);
    makeDirectory(pinPaths(directory).layout);
    this.#writers = resources.use(WriterLock.open(directory));
    this.datapath = new Datapath(object, this.#writers);
    if (before === undefined) return;
    this.#before = { set: before, datapath: new Datapath(before, this.#writers) };
    // A process that was killed may have left events switched on. Nobody reads them.
    this.datapath.settings.report(NO_EVENTS);
  }

  async attach(): Promise<void> {
    const number = Math.max(0, ...this.#tree.sets.map(set => set.number)) + 1;
    const { first, last } = unknownLinks(this.#tree);
    const undo = new Undo();
    try {
      if (this.#before === undefined) {
        const acceleration = this.#options.acceleration ?? DEFAULT_ACCELERATION;
        this.datapath.settings.change({ acceleration, ...OWNED_BY_PINS });
      }
      const { object } = this.#loaded;
      const identity = this.#resources.use(identityMap(this.#options));
      pinSet(this.#directory, number, [...object.maps(), identity], object.programs());
      endLinks(first, this.#tree, undo);
      if (first.length > 0) await setTimeout(SETTLED_MS);
      // Accelerated sockets keep their sk_msg program, which uses only the old maps.
      if (this.#loaded.replacesAcceleration) await this.#withdraw(undo);
      // Another process that changes the scope meanwhile waits, and then finds the new maps.
      this.#writers.hold(() => this.#switch(undo));
      if (last.length > 0) await setTimeout(SETTLED_MS);
      endLinks(last, this.#tree, undo);
    } catch (error) {
      undo.run();
      for (const set of readPinTree(this.#directory).sets) if (set.number === number) removeSet(set);
      throw error;
    }
    for (const set of this.#stale) removeSet(set);
    removeOthers(this.#tree.others);
    this.#before?.set[Symbol.dispose]();
  }

  link(program: string): HeldLink | undefined {
    const pin = readPinTree(this.#directory).links.get(program);
    return pin && BpfLink.openPin(pin.path);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
  async close(): Promise<void> {
    try {
      this.datapath.settings.report(NO_EVENTS);
    } finally {
      this.abandon();
    }
  }

  abandon(): void {
    this.#resources[Symbol.dispose]();
  }

  #switch(undo: Undo): void {
    const { settings } = this.datapath;
    const { replaced } = this.#loaded;
    const { set, datapath } = this.#before ?? {};
    const keepsSockets = !replaced.includes('sock_pair_map');
    const hasNewSettings = replaced.includes('mesh_settings');
    const isBeingRemoved = settings.isBeingRemoved;
    /** Another process may have set the scope there since the settings were copied. */
    const pinned = hasNewSettings && datapath ? datapath.settings : settings;
    const takeScope = () => {
      const scope = isBeingRemoved ? DEFAULT_ACCELERATION : pinned.acceleration;
      settings.change({ ...OWNED_BY_PINS, acceleration: this.#options.acceleration ?? scope });
    };
    const before = pinned.acceleration;
    // Programs and other processes use the new map as soon as the first link has changed.
    if (datapath !== undefined && hasNewSettings) takeScope();
    this.datapath.attach(
      new LinkSwitch({
        directory: this.#directory,
        tree: this.#tree,
        cgroup: this.#cgroup,
        before: set,
        keepsSockets,
        undo,
      }),
    );
    if (datapath === undefined) return;
    // A process that waited too long for the lock wrote without it, into the old map.
    if (!hasNewSettings || pinned.acceleration !== before) takeScope();
  }

  async #withdraw(undo: Undo): Promise<void> {
    const before = this.#before?.datapath;
    if (before === undefined) return;
    undo.add(() => before.settings.change(OWNED_BY_PINS));
    await before.withdraw();
  }
}

function carryOver(before: OpenPinSet, { object, replaced }: Loaded): MeshAdoption {
  const carriedOver: string[] = [];
  const madeAnew: string[] = [];
  for (const name of replaced)
    (COUNTS_ANEW.has(name) || copyEntries(before.map(name), object.map(name)) === undefined
      ? madeAnew
      : carriedOver
    ).push(name);
  return { carriedOver, madeAnew };
}
