import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { Cgroup, type CgroupProgram } from '../../bpf';
import type { AttachmentHolder } from '../../errors';
import { cgroupsBelow } from '../cgroup-paths';
import { findHolders, type Holder } from './find-holders';

/** The hook that every accelerator attaches to: its program there redirects connections. */
const HOOK = 'cgroup/connect4';
/** Names of the programs of every version of this library, and of upstream Merbridge, which also redirects. */
const NAME = /^mb_/;

/** Programs that do not count as another accelerator. */
export interface OwnPrograms {
  /** Ids of the programs. */
  readonly ids: ReadonlySet<number>;
  /**
   * Tags of the programs. They identify the same build in another process where the kernel does not reveal program
   * names.
   */
  readonly tags?: ReadonlySet<string> | undefined;
}

/**
 * Finds accelerators whose programs run for a cgroup because they are attached to it or to an ancestor. With `below`,
 * it also finds those that are attached to descendants.
 *
 * Reading program names needs CAP_SYS_ADMIN. Without it, an accelerator is recognized by its pins if they belong to
 * this user, or by the tag of a program that a process of this user has open. Otherwise it looks like any other
 * program.
 *
 * @internal
 * @param cgroup - where to look
 * @param own - programs that do not count
 * @param below - whether to include descendants of the cgroup
 * @returns one entry for each program
 */
export function findAccelerators(cgroup: Cgroup, own: OwnPrograms, below = false): AttachmentHolder[] {
  const found = new Map<number, { program: CgroupProgram; cgroup: string | undefined }>();
  const add = (programs: readonly CgroupProgram[], at: (program: CgroupProgram) => string | undefined): void => {
    for (const program of programs)
      if (!own.ids.has(program.id) && !found.has(program.id)) found.set(program.id, { program, cgroup: at(program) });
  };
  add(cgroup.programs({ attachType: HOOK, effective: true }).filter(mayBeOne), ({ id }) => attachedAt(cgroup.path, id));
  if (below) {
    for (const path of cgroupsBelow(cgroup.path)) {
      if (path === cgroup.path) continue;
      add(programsAt(path).filter(mayBeOne), () => path);
    }
  }
  if (found.size === 0) return [];
  const holders = findHolders(new Set(found.keys()));
  return [...found.values()].flatMap(({ program: { id, name }, cgroup: at }) => {
    const { tag, ...holder }: Holder = holders.get(id) ?? {};
    if (name === '' && holder.pinDirectory === undefined && !(tag !== undefined && own.tags?.has(tag))) return [];
    return [{ programId: id, name, ...(at !== undefined && { cgroup: at }), ...holder }];
  });
}

/**
 * Selects the accelerators that run for the same processes as another one, because one is attached to the cgroup of the
 * other, or to an ancestor or descendant of it.
 *
 * @internal
 * @param all - accelerators
 * @returns those that overlap with another one
 */
export function overlapping(all: readonly AttachmentHolder[]): AttachmentHolder[] {
  const covers = ({ cgroup: top }: AttachmentHolder, { cgroup }: AttachmentHolder): boolean =>
    top === undefined || cgroup === undefined || `${cgroup}/`.startsWith(`${top}/`);
  return all.filter(one => all.some(other => other !== one && (covers(one, other) || covers(other, one))));
}

/** Whether a program may belong to an accelerator. If its name is unknown, its holder decides. */
function mayBeOne({ name }: CgroupProgram): boolean {
  return name === '' || NAME.test(name);
}

/** The programs that are attached to a cgroup itself. Empty if the cgroup was removed. */
function programsAt(path: string): CgroupProgram[] {
  let cgroup: Cgroup;
  try {
    cgroup = Cgroup.open(path);
  } catch {
    return [];
  }
  try {
    return cgroup.programs({ attachType: HOOK });
  } finally {
    cgroup.close();
  }
}

/** The cgroup that an effective program is attached to. `undefined` if that is above what this process can see. */
function attachedAt(path: string, id: number): string | undefined {
  for (let at = realpathSync(path); at !== '/'; at = dirname(at)) {
    if (programsAt(at).some(program => program.id === id)) return at;
  }
  return undefined;
}
