import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { Cgroup, type CgroupProgram } from '../../bpf';
import type { AttachmentHolder } from '../../errors';
import { cgroupsBelow } from '../cgroup-paths';
import { findHolders, type Holder } from './find-holders';

/** The hook that every accelerator has: there it redirects. */
const HOOK = 'cgroup/connect4';
/** Programs of this library in every version, and those of the project that it follows, which redirect likewise. */
const NAME = /^mb_/;

/** What does not count as another accelerator. */
export interface OwnPrograms {
  /** Their ids. */
  readonly ids: ReadonlySet<number>;
  /** Their tags: the same build in another process is recognized by them where the kernel does not tell names. */
  readonly tags?: ReadonlySet<string> | undefined;
}

/**
 * Accelerators whose programs run for a cgroup, because they are attached to it or above it, and with `below` those
 * that are attached below it.
 *
 * Names need CAP_SYS_ADMIN. Without it an accelerator is recognized by its pins, if they belong to this user, or by the
 * tag of a program that a process of this user has open; otherwise it looks like any other program.
 *
 * @internal
 * @param cgroup - where to look
 * @param own - what does not count
 * @param below - whether to look below it, too
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

/** Those that run for the same processes as another one of them: at the same cgroup, above it or below it. @internal */
export function overlapping(all: readonly AttachmentHolder[]): AttachmentHolder[] {
  const covers = ({ cgroup: top }: AttachmentHolder, { cgroup }: AttachmentHolder): boolean =>
    top === undefined || cgroup === undefined || `${cgroup}/`.startsWith(`${top}/`);
  return all.filter(one => all.some(other => other !== one && (covers(one, other) || covers(other, one))));
}

/** Without a name it may be anybody's: then its holder tells. */
function mayBeOne({ name }: CgroupProgram): boolean {
  return name === '' || NAME.test(name);
}

/** What is attached to a cgroup itself; nothing if it is gone. */
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

/** The cgroup that an effective program is attached to; `undefined` if that is above what this process sees. */
function attachedAt(path: string, id: number): string | undefined {
  for (let at = realpathSync(path); at !== '/'; at = dirname(at)) {
    if (programsAt(at).some(program => program.id === id)) return at;
  }
  return undefined;
}
