import { BpfProgram, Cgroup } from '../../bpf';
import { cgroupPathOf } from '../cgroup-paths';
import { HOOKS, stageOfUnknown } from '../datapath/hooks';
import type { LinkPin, PinTree } from './pin-tree';
import { detachLink } from './remove-pins';
import type { Undo } from './undo';

/**
 * Attachments of a later version that a rollback to this one has to end: their programs know the maps of that version
 * only.
 */
export interface UnknownLinks {
  /**
   * Those that may redirect, and those that are where one of ours is to be pinned: ended before anything that answers
   * for them is replaced.
   */
  readonly first: readonly LinkPin[];
  /** Those that answer: ended when what was redirected before has found its way. */
  readonly last: readonly LinkPin[];
}

/** @internal */
export function unknownLinks({ unknownLinks: all, others, sets }: PinTree): UnknownLinks {
  const elsewhere = new Set(
    [others, ...sets.map(set => set.others)].flatMap(({ pins }) => pins.map(({ path }) => path)),
  );
  const isInTheWay = ({ name, path }: LinkPin): boolean => HOOKS.has(name) && !elsewhere.has(path);
  const isFirst = (link: LinkPin): boolean => stageOfUnknown(link.attachType) === 'entrances' || isInTheWay(link);
  return { first: all.filter(isFirst), last: all.filter(link => !isFirst(link)) };
}

/**
 * Ends attachments.
 *
 * @internal
 * @param undo - gets those of cgroups back; one of another kind cannot be made again without what it was attached to
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
