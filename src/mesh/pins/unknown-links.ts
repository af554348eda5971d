import { BpfProgram, Cgroup } from '../../bpf';
import { cgroupPathOf } from '../cgroup-paths';
import { HOOKS, stageOfUnknown } from '../datapath/hooks';
import type { LinkPin, PinTree } from './pin-tree';
import { detachLink } from './remove-pins';
import type { Undo } from './undo';

/**
 * Links of a later version that a rollback to this version has to detach, because their programs use only the maps of
 * that version.
 */
export interface UnknownLinks {
  /**
   * Links that may redirect connections, and links whose pin is at a path that this version needs. They are detached
   * before any program that answers for redirected connections is replaced.
   */
  readonly first: readonly LinkPin[];
  /** Links that answer for connections. They are detached after redirected connections have reached their sidecars. */
  readonly last: readonly LinkPin[];
}

/**
 * Sorts the links that this version does not know.
 *
 * @internal
 * @param tree - contents of the pin directory
 * @returns the links in two groups
 */
export function unknownLinks({ unknownLinks: all, others, sets }: PinTree): UnknownLinks {
  const elsewhere = new Set(
    [others, ...sets.map(set => set.others)].flatMap(({ pins }) => pins.map(({ path }) => path)),
  );
  const isInTheWay = ({ name, path }: LinkPin): boolean => HOOKS.has(name) && !elsewhere.has(path);
  const isFirst = (link: LinkPin): boolean => stageOfUnknown(link.attachType) === 'entrances' || isInTheWay(link);
  return { first: all.filter(isFirst), last: all.filter(link => !isFirst(link)) };
}

/**
 * Detaches links and removes their pins.
 *
 * @internal
 * @param links - the links
 * @param tree - contents of the pin directory
 * @param undo - receives functions that attach links of cgroups again. Links of other types cannot be attached again,
 * because their target is not known
 */
export function endLinks(links: readonly LinkPin[], tree: PinTree, undo: Undo): void {
  const programs = [tree.others, ...tree.sets.map(set => set.others)]
    .flatMap(({ pins }) => pins)
    .concat(tree.sets.flatMap(set => [...set.programs.values()]));
  for (const link of links) {
    detachLink(link);
    undo.add(() => {
      const program = programs.find(({ kind, id }) => kind === 'program' && id === link.programId);
      const path = link.cgroupId === 0n ? undefined : cgroupPathOf(link.cgroupId);
      if (program === undefined || path === undefined || link.attachType === undefined) return;
      using cgroup = Cgroup.open(path);
      using open = BpfProgram.fromPin(program.path);
      using again = cgroup.attach(open, { attachType: link.attachType });
      again.pin(link.path);
    });
  }
}
