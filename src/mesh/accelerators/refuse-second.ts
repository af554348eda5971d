import type { Cgroup } from '../../bpf';
import { AlreadyAttachedError, type AttachmentHolder } from '../../errors';
import { findAccelerators, type OwnPrograms } from './find-accelerators';

/**
 * Refuses to start if another accelerator is attached to the cgroup, to an ancestor, or to a descendant.
 *
 * @internal
 * @param cgroup - where to look
 * @param own - programs that do not count
 * @param below - whether to include descendants of the cgroup
 * @throws AlreadyAttachedError (`ERR_BPF_ALREADY_ATTACHED`) if there is one; `holders` says what holds it
 */
export function refuseSecond(cgroup: Cgroup, own: OwnPrograms = { ids: new Set() }, below = true): void {
  const holders = findAccelerators(cgroup, own, below);
  if (holders.length === 0) return;
  throw new AlreadyAttachedError(
    cgroup.path,
    holders.map(({ programId, name }) => ({ id: programId, name })),
    {
      operation: 'MeshAccelerator.start',
      holders,
      hint: [...new Set(holders.map(remedy))].join('; '),
    },
  );
}

/**
 * Describes how to remove an accelerator that is in the way.
 *
 * @internal
 * @param holder - what holds the accelerator
 * @returns text for an error message
 */
export function remedy({ pid, pinDirectory }: AttachmentHolder): string {
  if (pinDirectory !== undefined) {
    const removal = `remove it with detachAll({ pinDirectory: ${JSON.stringify(pinDirectory)} })`;
    return pid === undefined
      ? `start with that pinDirectory, or ${removal}`
      : `${pid === process.pid ? 'close the accelerator of this process' : `stop process ${pid}`}, then ${removal}`;
  }
  if (pid === process.pid) return 'close the accelerator of this process first';
  if (pid !== undefined) return `stop process ${pid} first: its programs are detached when it ends`;
  return 'close the accelerator that holds it; it is in another namespace or of another user: bpftool link show, bpftool cgroup tree';
}
