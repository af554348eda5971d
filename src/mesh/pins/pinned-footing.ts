import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { BpfLink, Cgroup, type BpfObject } from '../../bpf';
import { copyEntries } from '../../bpf/internal';
import { ForeignPinError, PinConflictError } from '../../errors';
import { DEFAULT_ACCELERATION } from '../../policy';
import { Drain } from '../datapath/drain';
import { refuseSecond } from '../accelerators/refuse-second';
import type { FionreadCounts } from '../datapath/fionread';
import type { Footing, MeshAdoption, MeshHandles } from '../footing';
import { load, type Loaded } from '../datapath/load';
import { SETTLED_MS } from '../own-footing';
import { aboutMap, isReadable, readAbout } from './mesh-about';
import { difference, meshIdentity, sentenceOf } from './mesh-identity';
import type { BacklogAccount, ResolvedOptions } from '../mesh-options';
import { MeshSettings, NO_EVENTS, OWNED_BY_NOBODY, OWNED_BY_PINS } from '../maps/mesh-settings';
import { makeDirectory, PinDirectory, removeIfEmpty } from './pin-directory';
import { allProgramIds, isInUse, pinPaths, readPinTree, type PinSet, type PinTree } from './pin-tree';
import { OpenPinSet, pinSet } from './pinned-set';
import { removeOthers, removeSet } from './remove-pins';
import { Resources } from '../resources';
import { switchLinks, Undo } from './switch-links';
import { endLinks, unknownLinks } from './unknown-links';
import { witness } from '../datapath/witness';
import { WriterLock } from './writer-lock';
import { cgroupPathOf } from '../cgroup-paths';

/** Without these nothing can be taken over. Other maps may be missing in pins of an older version. */
const INDISPENSABLE = [
  'mesh_settings',
  'local_pod_ips',
  'sock_pair_map',
  'socket_peer',
  'socket_origin',
  'last_held',
] as const;

/** Sockets are not carried over into another map, so neither is their number. */
const COUNTS_ANEW: ReadonlySet<string> = new Set(['socket_count']);

/**
 * Held by pins: what is attached stays when this process ends, and a later one goes on with it.
 *
 * Nothing that works is touched before everything else is there. Then the attachments are changed in place, in
 * microseconds; a process that is killed before leaves a set that no link runs, and one that is killed after leaves the
 * set before, which no link runs any more.
 */
export class PinnedFooting implements Footing {
  readonly object: BpfObject;
  readonly account: BacklogAccount;
  readonly fionreadCounts: FionreadCounts;
  readonly adoption: MeshAdoption | undefined;
  readonly #options: ResolvedOptions;
  readonly #directory: string;
  readonly #resources: Resources;
  readonly #cgroup: Cgroup;
  readonly #tree: PinTree;
  readonly #before: OpenPinSet | undefined;
  /** What goes when this start stands. */
  readonly #stale: readonly PinSet[];
  readonly #loaded: Loaded;
  readonly #writers: WriterLock;

  static open(options: ResolvedOptions, directory: string): PinnedFooting {
    const resources = new Resources();
    try {
      return new PinnedFooting(options, directory, resources);
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
    this.#refuseOther();
    refuseSecond(this.#cgroup, { ids: allProgramIds(this.#tree) });
    // All of it was looked at, and is ours: from here on it may be changed. What is empty is of a start that failed,
    // this one too.
    resources.use({ [Symbol.dispose]: () => removeEmptyLayout(directory) });
    const { running } = this.#tree;
    // A link without its program beside it would be taken for a foreign one by the next start, if this one is killed:
    // such a set goes last.
    this.#stale = this.#tree.sets.filter(set => isInUse(set, this.#tree));
    for (const set of this.#tree.sets) if (!this.#stale.includes(set)) removeSet(set);
    this.#before = running && resources.use(new OpenPinSet(running));
    const tried = witness();
    tried.pair.close();
    this.fionreadCounts = tried.fionreadCounts;
    this.account = tried.chargesReceiver && options.backlogAccount === 'auto' ? 'kernel' : 'programs';
    this.#loaded = load(options, this.account, this.#before?.maps());
    this.object = resources.use(this.#loaded.object);
    this.adoption = this.#before && this.#carryOver(this.#before);
    makeDirectory(pinPaths(directory).layout);
    this.#writers = resources.use(WriterLock.open(directory));
  }

  settings(): MeshSettings {
    const settings = new MeshSettings(this.object, this.#writers);
    // Of a process that was killed; nobody reads what was reported to it.
    if (this.#before !== undefined) settings.report(NO_EVENTS);
    return settings;
  }

  async attach({ settings }: MeshHandles): Promise<void> {
    const number = Math.max(0, ...this.#tree.sets.map(set => set.number)) + 1;
    const { acceleration } = this.#options;
    const { first, last } = unknownLinks(this.#tree);
    const undo = new Undo();
    try {
      if (this.#before === undefined)
        settings.change({ acceleration: acceleration ?? DEFAULT_ACCELERATION, ...OWNED_BY_PINS });
      pinSet(
        this.#directory,
        number,
        [...this.object.maps(), this.#resources.use(aboutMap(this.#options))],
        this.object.programs(),
      );
      endLinks(first, this.#tree, undo);
      if (first.length > 0) await setTimeout(SETTLED_MS);
      if (this.#before !== undefined && this.#loaded.replacesAcceleration) await this.#retire(this.#before, undo);
      // Whoever switches meanwhile waits, and finds the new maps then.
      this.#writers.hold(() => this.#switch(settings, undo));
      if (last.length > 0) await setTimeout(SETTLED_MS);
      endLinks(last, this.#tree, undo);
    } catch (error) {
      undo.run();
      for (const set of readPinTree(this.#directory).sets) if (set.number === number) removeSet(set);
      throw error;
    }
    for (const set of this.#stale) removeSet(set);
    removeOthers(this.#tree.others);
    this.#before?.[Symbol.dispose]();
  }

  link(program: string): BpfLink | undefined {
    const pin = readPinTree(this.#directory).links.get(program);
    return pin && BpfLink.openPin(pin.path);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as every footing
  async close({ settings }: MeshHandles): Promise<void> {
    try {
      settings.report(NO_EVENTS);
    } finally {
      this.#resources[Symbol.dispose]();
    }
  }

  abandon(): void {
    this.#resources[Symbol.dispose]();
  }

  #switch(settings: MeshSettings, undo: Undo): void {
    const before = this.#before;
    const { replaced } = this.#loaded;
    switchLinks(
      {
        directory: this.#directory,
        tree: this.#tree,
        cgroup: this.#cgroup,
        object: this.object,
        before,
        keepsSockets: !replaced.includes('sock_pair_map'),
      },
      undo,
    );
    const { id, tag } = this.object.program('mb_connect4');
    // Nobody started below a mesh that was there; so only a first start looks there, and writers wait for microseconds
    // otherwise.
    refuseSecond(this.#cgroup, { ids: new Set([id]), tags: new Set([tag]) }, before === undefined);
    if (before === undefined) return;
    // What was copied may be seconds old.
    const switched = replaced.includes('mesh_settings') ? new MeshSettings(before).acceleration : settings.acceleration;
    const pinned = settings.isBeingRemoved ? DEFAULT_ACCELERATION : switched;
    settings.change({ ...OWNED_BY_PINS, acceleration: this.#options.acceleration ?? pinned });
  }

  /**
   * Accelerated sockets keep their program, which knows the old maps only: each goes back to the stack when nothing
   * waits in it.
   */
  async #retire(before: OpenPinSet, undo: Undo): Promise<void> {
    const settings = new MeshSettings(before, this.#writers);
    settings.change(OWNED_BY_NOBODY);
    undo.add(() => settings.change(OWNED_BY_PINS));
    await new Drain(before).finished();
  }

  #carryOver(before: OpenPinSet): MeshAdoption {
    const carriedOver: string[] = [];
    const madeAnew: string[] = [];
    for (const name of this.#loaded.replaced)
      (COUNTS_ANEW.has(name) || copyEntries(before.map(name), this.object.map(name)) === undefined
        ? madeAnew
        : carriedOver
      ).push(name);
    return { carriedOver, madeAnew };
  }

  /** What is pinned has to be of this cgroup and this profile. A cgroup that is gone is no other one. */
  #refuseOther(): void {
    const { links, running } = this.#tree;
    const wanted = this.#cgroup.id;
    const hint = 'remove that mesh first, with detachAll';
    for (const { cgroupId, path } of links.values()) {
      const other = cgroupId === 0n || cgroupId === wanted ? undefined : cgroupPathOf(cgroupId);
      if (other !== undefined)
        throw new PinConflictError(path, 'cgroup', { pinned: other, wanted: this.#options.cgroup }, { hint });
    }
    for (const name of INDISPENSABLE)
      if (running?.maps.has(name) === false)
        throw new ForeignPinError(
          join(running.path, 'maps', name),
          'nothing is there, but the mesh that runs has such a map',
        );
    if (running !== undefined) this.#refuseOtherMesh(running, hint);
  }

  #refuseOtherMesh(running: PinSet, hint: string): void {
    const about = readAbout(running);
    if (about === undefined) return;
    const mesh = meshIdentity(this.#options.profile);
    const wanted = sentenceOf(mesh);
    if (!isReadable(about)) {
      const values = { pinned: `${about.profile}, described in version ${about.version}`, wanted };
      throw new PinConflictError(this.#directory, 'profile', values, {
        hint: 'remove it with the version that made it',
      });
    }
    const differs =
      about.version > 0 ? difference(about.mesh, mesh) : about.profile !== wanted && { pinned: about.profile, wanted };
    if (differs) throw new PinConflictError(this.#directory, 'profile', differs, { hint });
  }
}

function removeEmptyLayout(directory: string): void {
  const { links, sets, layout } = pinPaths(directory);
  for (const path of [links, sets, layout]) removeIfEmpty(path);
}
