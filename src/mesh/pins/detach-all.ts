import { accessSync, constants } from 'node:fs';
import { shown } from '../../errors';
import { refuseUnknown } from '../../checks';
import { resolvePinDirectory } from './pin-path';
import { typedError } from '../requirements';
import { Resources } from '../resources';
import { detachLinks } from './link-removal';
import { PinDirectory, pinDirectoryExists, removePinDirectory } from './pin-directory';
import { readPinTree } from './pin-tree';
import { removeEmptyLayout, removeOthers, removeSet } from './remove-pins';

/** Options of {@link detachAll}. */
export interface DetachAllOptions {
  /** Path of the pin directory that the mesh was started with. */
  readonly pinDirectory: string;
  /**
   * Whether to remove the mesh even if a process uses these pins. That process keeps its maps and programs until it
   * ends, but they are no longer attached. Default: false.
   */
  readonly force?: boolean | undefined;
}

/** An object that {@link detachAll} removed. */
export interface DetachedItem {
  /** Type of the object. */
  readonly kind: 'link' | 'program' | 'map';
  /** Name of the program or map. For a link, the name of the program that it ran. */
  readonly name: string;
  /** Path of its pin. */
  readonly path: string;
  /** Kernel-wide id of the link, program or map. */
  readonly id: number;
}

/**
 * Removes a pinned mesh, in whatever state a process left it when it ended or was killed.
 *
 * New connections take their old path at once. Existing ones continue over the TCP stack. Readers first read the data
 * that is queued in their sockets. If connections were redirected, this takes half a second, and up to eight seconds
 * while readers are slow; see {@link MeshAccelerator.close}. The kernel frees programs and maps that accelerated
 * sockets use when the last of these sockets is closed.
 *
 * @param options - the pin directory
 * @returns the removed objects. Empty if the directory does not exist or contains none
 * @throws TypeError if an option is unknown or of the wrong type, or the path is not absolute
 * @throws PinsInUseError (`ERR_BPF_PINS_IN_USE`) if another process uses the pins and `force` is not set
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if the directory contains something that this library did not make, a
 * pin cannot be opened, or another user may write to the directory; nothing is removed then
 * @throws PinConflictError (`ERR_BPF_PIN_CONFLICT`) if a later version made the pins with another layout; nothing is
 * removed then
 * @throws NotABpfFileSystemError (`ERR_BPF_NOT_A_BPFFS`) if the directory is not in a BPF file system, or in one that
 * is mounted read-only
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
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
  // If pins cannot be unlinked, fail before anything is detached.
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
