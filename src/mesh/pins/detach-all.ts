import { accessSync, constants } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { shown } from '../../errors';
import { refuseUnknown } from '../../policy';
import { CounterReader } from '../maps/counters';
import { Drain } from '../datapath/drain';
import { ENTRANCES, GATE, isServiceHook, SERVICES } from '../datapath/hooks';
import { MeshSettings } from '../maps/mesh-settings';
import { SETTLED_MS } from '../own-footing';
import { PinDirectory, pinDirectoryExists, removeIfEmpty, removePinDirectory } from './pin-directory';
import { resolvePinDirectory } from './pin-path';
import { pinPaths, readPinTree, type PinTree } from './pin-tree';
import { OpenPinSet } from './pinned-set';
import type { Pin } from './read-pin';
import { detachLink, removeOthers, removeSet } from './remove-pins';
import { typedError } from '../requirements';
import { Resources } from '../resources';
import { WriterLock } from './writer-lock';

/** How everything is removed. */
export interface DetachAllOptions {
  /** The directory for pins that the mesh was started with. */
  readonly pinDirectory: string;
  /**
   * Whether to go on although a process works with these pins. It keeps its maps and programs until it ends, but
   * nothing is attached any more. Default false.
   */
  readonly force?: boolean | undefined;
}

/** Something that {@link detachAll} removed. */
export interface DetachedItem {
  /** What it was. */
  readonly kind: 'link' | 'program' | 'map';
  /** Name of the program or map; of a link that of the program that it ran. */
  readonly name: string;
  /** Where it was pinned. */
  readonly path: string;
  /** Kernel-wide id of the link, program or map. */
  readonly id: number;
}

/**
 * Removes a pinned mesh: what a process left when it ended or was killed, in whatever state that is.
 *
 * New connections take their old path at once. Existing ones live on over the TCP stack; what was queued in their
 * sockets is read first. If connections were redirected, this takes half a second, and up to eight while readers are
 * slow; see {@link MeshAccelerator.close}. Programs and maps that accelerated sockets use leave the kernel with the
 * last of these.
 *
 * @param options - where the pins are
 * @returns what was removed; empty if nothing was there
 * @throws PinsInUseError (`ERR_BPF_PINS_IN_USE`) if another process works with the pins, unless `force` is set
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if something lies there that is not of this library; nothing is
 * removed then
 * @throws PinConflictError (`ERR_BPF_PIN_CONFLICT`) if a later version made them; nothing is removed then
 * @throws NotABpfFileSystemError (`ERR_BPF_NOT_A_BPFFS`) if the directory is in none
 * @example
 * ```ts
 * import { detachAll } from 'merbridge';
 *
 * async function main(): Promise<void> {
 *   const removed = await detachAll({ pinDirectory: '/sys/fs/bpf/merbridge' });
 *   for (const { kind, name, id } of removed) console.log(`removed ${kind} ${name} (${id})`);
 * }
 * void main();
 * ```
 */
export async function detachAll(options: DetachAllOptions): Promise<DetachedItem[]> {
  const { pinDirectory, force = false, ...unknown } = options;
  refuseUnknown(unknown, 'detachAll');
  if (typeof force !== 'boolean') throw new TypeError(`detachAll: force must be true or false, not ${shown(force)}`);
  const directory = resolvePinDirectory(pinDirectory, 'detachAll');
  try {
    return await removeAll(directory, force);
  } catch (error) {
    throw typedError(error);
  }
}

async function removeAll(directory: string, force: boolean): Promise<DetachedItem[]> {
  if (!pinDirectoryExists(directory)) return [];
  // Where nothing can be unlinked nothing is detached either.
  accessSync(directory, constants.W_OK);
  using resources = new Resources();
  if (!force) {
    const held = PinDirectory.tryHold(directory);
    if (held === undefined) return [];
    resources.use(held);
  }
  const tree = readPinTree(directory);
  const removed = await detach(directory, tree);
  for (const set of tree.sets) removed.push(...removeSet(set));
  removed.push(...removeOthers(tree.others));
  const { links, sets, layout } = pinPaths(directory);
  for (const path of [links, sets, layout]) removeIfEmpty(path);
  removePinDirectory(directory);
  return removed.map(({ kind, name, path, id }) => ({ kind, name, path, id }));
}

/** The links, in the order in which nothing is lost. */
async function detach(directory: string, { links, unknownLinks, sets }: PinTree): Promise<Pin[]> {
  const removed: Pin[] = [];
  if (links.size + unknownLinks.length === 0) return removed;
  using resources = new Resources();
  const writers = resources.use(WriterLock.open(directory));
  const meshes = sets
    .filter(({ maps }) => ['mesh_settings', 'mesh_counters', 'last_held'].every(name => maps.has(name)))
    .map(set => resources.use(new OpenPinSet(set)));
  // Sockets keep their sk_msg program until they are closed, whatever is detached: only the switch reaches them.
  for (const mesh of meshes) new MeshSettings(mesh, writers).retire();
  const detachLinks = (pins: readonly Pin[]): void => {
    for (const pin of pins) {
      detachLink(pin);
      removed.push(pin);
    }
  };
  const known = (names: readonly string[]): Pin[] => names.flatMap(name => links.get(name) ?? []);
  const unknownEntrances = unknownLinks.filter(({ attachType }) => !isServiceHook(attachType));
  detachLinks([...unknownEntrances, ...known(ENTRANCES)]);
  await Promise.all([
    unknownEntrances.length > 0 && setTimeout(SETTLED_MS),
    ...meshes.map(async mesh => {
      const { outbound, inbound, sockets } = new CounterReader(mesh).read();
      await Promise.all([
        outbound + inbound > 0n && setTimeout(SETTLED_MS),
        sockets > 0n && new Drain(mesh).finished(),
      ]);
    }),
  ]);
  detachLinks([
    ...unknownLinks.filter(({ attachType }) => isServiceHook(attachType)),
    ...known(SERVICES),
    ...known([GATE]),
  ]);
  return removed;
}
