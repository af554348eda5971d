import { realpathSync, statSync } from 'node:fs';
import { sep } from 'node:path';
import { Cgroup, type CgroupProgram } from '../bpf';
import { describeHolder, printable, type AttachmentHolder } from '../errors';
import { isRecord, refuseUnknown } from '../checks';
import { findAccelerators } from './accelerators/find-accelerators';
import { remedy } from './accelerators/refuse-second';
import { cgroupsBelow, hasProcesses } from './cgroup-paths';
import type { Holder } from './datapath/holder';
import { HOOKS, MARK } from './datapath/hooks';

/** Options of {@link MeshAccelerator.check}. */
export interface MeshCheckOptions {
  /**
   * Paths of the pods' cgroups. Default: the mesh's cgroup and its descendants, as far as they have processes, at most
   * 1024.
   */
  readonly cgroups?: readonly string[] | undefined;
}

/**
 * A problem that prevents a program from seeing the connections of a pod.
 *
 * - `'detached'`: the program is not attached any more, because its cgroup was removed or its link was detached. A
 *   start with the same pins attaches it again.
 * - `'outside'`: the cgroup is not below that of the mesh.
 * - `'not effective'`: the kernel does not run the program for this cgroup. `programs` are those that it runs instead.
 * - `'second accelerator'`: another accelerator also runs for the cgroup, because it is attached to it, to an ancestor
 *   or to a descendant. Both then redirect the same connections. `programs` is its program, `holder` says what holds
 *   it. Without CAP_SYS_ADMIN it is found only if its pins or its process belong to the same user.
 * - `'unreadable'`: the kernel could not be queried, or the pins could not be read. The message says why.
 */
export interface MeshProblem {
  /** What kind of problem it is. */
  readonly kind: 'detached' | 'outside' | 'not effective' | 'second accelerator' | 'unreadable';
  /** Path of the cgroup concerned. */
  readonly cgroup: string;
  /** Name of the program. `undefined` if the problem concerns all of them. */
  readonly program: string | undefined;
  /** The programs that the kernel runs for the cgroup at the same hook. */
  readonly programs: readonly CgroupProgram[];
  /** For a second accelerator: where it is attached, and what holds it. */
  readonly holder?: AttachmentHolder | undefined;
  /** Description of the problem. */
  readonly message: string;
}

const MOST = 1024;

function assertOptions(options: unknown): void {
  if (!isRecord(options)) throw new TypeError('check: options must be an object');
  const { cgroups, ...unknown } = options;
  refuseUnknown(unknown, 'check');
  if (cgroups !== undefined && !(Array.isArray(cgroups) && cgroups.every(path => typeof path === 'string')))
    throw new TypeError('check: cgroups must be a list of paths');
}

/**
 * Asks the kernel which programs it runs for each cgroup.
 *
 * @internal
 * @param path - the cgroup of the mesh
 * @param holder - holds the datapath of the mesh
 * @param options - the cgroups to check
 * @returns the problems
 * @throws TypeError if an option is unknown or of the wrong type
 */
export function checkMesh(path: string, holder: Holder, options: MeshCheckOptions): MeshProblem[] {
  assertOptions(options);
  const detached = new Set<string>();
  const problems: MeshProblem[] = [];
  for (const name of HOOKS.keys()) {
    const found = checkLink(path, holder, name);
    if (found === undefined) continue;
    if (found.kind === 'detached') detached.add(name);
    problems.push(found);
  }
  const { id, tag } = holder.datapath.program(MARK);
  /** Each program of another accelerator is reported once, for all cgroups that it runs for. */
  const seen = { ids: new Set([id]), tags: new Set([tag]) };
  try {
    using own = Cgroup.open(path);
    problems.push(...secondAccelerators(own, seen));
  } catch {
    // The cgroup was removed, which checkLink reports.
  }
  for (const cgroup of options.cgroups ?? populated(path)) {
    if (!isWithin(cgroup, path)) {
      problems.push(problem('outside', cgroup, `${cgroup} is not below ${path}: no program sees what runs there`));
      continue;
    }
    try {
      using open = Cgroup.open(cgroup);
      problems.push(...secondAccelerators(open, seen), ...ineffective(open, holder, detached));
    } catch (error) {
      problems.push(problem('unreadable', cgroup, (error as Error).message));
    }
  }
  return problems;
}

/** The message may contain names of cgroups, which anyone with permission to create them below a pod's can choose. */
function problem(
  kind: MeshProblem['kind'],
  cgroup: string,
  message: string,
  details: Partial<Pick<MeshProblem, 'program' | 'programs' | 'holder'>> = {},
): MeshProblem {
  return { kind, cgroup, program: undefined, programs: [], ...details, message: printable(message, 4096) };
}

/** Is the program attached to the cgroup of the mesh? */
function checkLink(path: string, holder: Holder, program: string): MeshProblem | undefined {
  try {
    const reason = detachment(path, holder, program);
    if (reason === undefined) return undefined;
    return problem('detached', path, `${program} is not attached to ${path}: ${reason}`, { program });
  } catch (error) {
    const why = (error as Error).message;
    return problem('unreadable', path, `whether ${program} is attached to ${path} cannot be determined: ${why}`, {
      program,
    });
  }
}

/** Other accelerators that run for a cgroup, without those in `seen`, to which it adds them. */
function secondAccelerators(
  cgroup: Cgroup,
  seen: { readonly ids: Set<number>; readonly tags: ReadonlySet<string> },
): MeshProblem[] {
  const found = findAccelerators(cgroup, seen).map(holder => {
    const program = { id: holder.programId, name: holder.name, tag: '' };
    const what = `${holder.name || 'program'} (id ${holder.programId})${describeHolder(holder)}`;
    const message = `a second accelerator runs for ${cgroup.path}: ${what}: ${remedy(holder)}`;
    return problem('second accelerator', cgroup.path, message, { programs: [program], holder });
  });
  for (const { id } of cgroup.programs({ attachType: 'cgroup/connect4', effective: true })) seen.ids.add(id);
  return found;
}

/** Programs that the kernel does not run for a cgroup below that of the mesh, but for those that are detached. */
function ineffective(cgroup: Cgroup, holder: Holder, detached: ReadonlySet<string>): MeshProblem[] {
  const problems: MeshProblem[] = [];
  for (const [program, { attachType }] of HOOKS) {
    if (detached.has(program)) continue;
    const programs = cgroup.programs({ attachType, effective: true });
    const { id } = holder.datapath.program(program);
    if (programs.some(one => one.id === id)) continue;
    const instead = programs.map(one => `${one.name || 'program'} (id ${one.id})`).join(', ') || 'nothing';
    const message = `${program} does not run for ${cgroup.path}, where the kernel runs ${instead}`;
    problems.push(problem('not effective', cgroup.path, message, { program, programs }));
  }
  return problems;
}

/** Why a program is not attached, if it is not. */
function detachment(path: string, holder: Holder, name: string): string | undefined {
  const link = holder.link(name);
  if (link === undefined) return 'its pin is gone';
  try {
    if (!link.isAttached()) return 'its link was detached, or its cgroup was removed';
    const id = statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
    if (id === undefined) return 'the cgroup is gone';
    return link.cgroupId === id
      ? undefined
      : 'the cgroup was removed and created again, but its link belongs to the removed one';
  } finally {
    link.close();
  }
}

function populated(path: string): string[] {
  const found: string[] = [];
  for (const cgroup of cgroupsBelow(path)) {
    if (hasProcesses(cgroup)) found.push(cgroup);
    if (found.length === MOST) break;
  }
  return found;
}

function isWithin(path: string, top: string): boolean {
  try {
    return `${realpathSync(path)}${sep}`.startsWith(`${realpathSync(top)}${sep}`);
  } catch {
    return true; // the cgroup does not exist: opening it reports that
  }
}
