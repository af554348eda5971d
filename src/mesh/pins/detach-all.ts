import { accessSync, constants } from 'node:fs';
import { shown } from '../../errors';
import { refuseUnknown, resolvePinDirectory } from '../../policy';
import { typedError } from '../requirements';
import { Resources } from '../resources';
import { detachLinks } from './link-removal';
import { PinDirectory, pinDirectoryExists, removePinDirectory } from './pin-directory';
import { readPinTree } from './pin-tree';
import { removeEmptyLayout, removeOthers, removeSet } from './remove-pins';

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
 * @throws TypeError for an unknown option, or a path that is not absolute
 * @throws PinsInUseError (`ERR_BPF_PINS_IN_USE`) if another process works with the pins, unless `force` is set
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if something lies there that is not of this library; nothing is
 * removed then
 * @throws PinConflictError (`ERR_BPF_PIN_CONFLICT`) if a later version made them; nothing is removed then
 * @throws NotABpfFileSystemError (`ERR_BPF_NOT_A_BPFFS`) if the directory is in none, or in one that is mounted
 * read-only
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) for what else the kernel refuses
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
  const removed = await detachLinks(directory, tree);
  for (const set of tree.sets) removed.push(...removeSet(set));
  removed.push(...removeOthers(tree.others));
  removeEmptyLayout(directory);
  removePinDirectory(directory);
  return removed.map(({ kind, name, path, id }) => ({ kind, name, path, id }));
}
