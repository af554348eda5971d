import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { BpfLink } from '../../bpf';
import type { BpfError } from '../../errors';
import { removeIfEmpty } from './pin-directory';
import { pinPaths, type OtherPins, type PinSet, type Pin } from './pin-tree';

/**
 * Ends an attachment at once, whoever else holds it, and removes its pin.
 *
 * @internal
 */
export function detachLink({ path }: Pin): void {
  using link = BpfLink.openPin(path);
  try {
    link.detach();
  } catch (error) {
    // A kind of link that a later version uses may end with its last pin only.
    const { code, errnoName } = error as BpfError;
    if (code !== 'ERR_BPF_NOT_SUPPORTED' && errnoName !== 'EOPNOTSUPP') throw error;
  }
  unlinkSync(path);
}

/**
 * Removes the pins of a set, and its directories.
 *
 * @internal
 * @returns what it removed
 */
export function removeSet(set: PinSet): Pin[] {
  const removed = [...set.programs.values(), ...set.maps.values()];
  for (const { path } of removed) unlinkSync(path);
  removed.push(...removeOthers(set.others));
  for (const part of ['programs', 'maps', '.']) removeIfEmpty(join(set.path, part));
  return removed;
}

/**
 * Removes what a later version pinned beside what this one knows. Its links may be gone already: they are detached in
 * their turn.
 *
 * @internal
 * @returns what it removed
 */
export function removeOthers({ pins, directories }: OtherPins): Pin[] {
  const removed = pins.filter(({ path }) => {
    try {
      unlinkSync(path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return false;
    }
  });
  for (const path of directories) removeIfEmpty(path);
  return removed;
}

/**
 * Removes the directories that pins lie in, as far as they are empty; the pin directory itself stays.
 *
 * @internal
 * @param directory - the pin directory
 */
export function removeEmptyLayout(directory: string): void {
  const { links, sets, layout } = pinPaths(directory);
  for (const path of [links, sets, layout]) removeIfEmpty(path);
}
