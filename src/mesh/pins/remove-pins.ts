import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { BpfLink } from '../../bpf';
import type { BpfError } from '../../errors';
import { removeIfEmpty } from './pin-directory';
import { pinPaths, type OtherPins, type PinSet, type Pin } from './pin-tree';

/**
 * Detaches a link at once, even if other processes hold it, and removes its pin.
 *
 * @internal
 * @param link - its pin
 */
export function detachLink({ path }: Pin): void {
  using link = BpfLink.openPin(path);
  try {
    link.detach();
  } catch (error) {
    // A later version may use a type of link that cannot be detached. It is detached when its last pin is removed.
    const { code, errnoName } = error as BpfError;
    if (code !== 'ERR_BPF_NOT_SUPPORTED' && errnoName !== 'EOPNOTSUPP') throw error;
  }
  unlinkSync(path);
}

/**
 * Removes the pins of a set, and its directories.
 *
 * @internal
 * @param set - the set
 * @returns the removed pins
 */
export function removeSet(set: PinSet): Pin[] {
  const removed = [...set.programs.values(), ...set.maps.values()];
  for (const { path } of removed) unlinkSync(path);
  removed.push(...removeOthers(set.others));
  for (const part of ['programs', 'maps', '.']) removeIfEmpty(join(set.path, part));
  return removed;
}

/**
 * Removes the pins of a later version that this version does not make. The pins of links may be removed already,
 * because links are detached separately.
 *
 * @internal
 * @param others - these pins
 * @returns the removed pins
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
 * Removes the empty directories in a pin directory. The pin directory itself stays.
 *
 * @internal
 * @param directory - the pin directory
 */
export function removeEmptyLayout(directory: string): void {
  const { links, sets, layout } = pinPaths(directory);
  for (const path of [links, sets, layout]) removeIfEmpty(path);
}
