import type { Cgroup } from '../../bpf';
import { AlreadyAttachedError, type AttachmentHolder } from '../../errors';
import { findAccelerators, type OwnPrograms } from './find-accelerators';

/**
 * Refuses to start where an accelerator is attached already: at the cgroup, above it, or below it.
 *
 * @internal
 * @param cgroup - where to look
 * @param own - what does not count
 * @param below - whether to look below it, too
 * @throws AlreadyAttachedError with who holds it
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

/** What to do about an accelerator that is in the way. @internal */
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
