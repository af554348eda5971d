import { realpathSync, statSync } from 'node:fs';
import { sep } from 'node:path';
import { Cgroup, type CgroupProgram } from '../bpf';
import { describeHolder, printable, type AttachmentHolder } from '../errors';
import { isRecord, refuseUnknown } from '../policy';
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
  const problems: MeshProblem[] = [];
  const report = (
    kind: MeshProblem['kind'],
    cgroup: string,
    program: string | undefined,
    message: string,
    programs: readonly CgroupProgram[] = [],
  ) => {
    // The message may contain names of cgroups, which anyone with permission to create them below a pod's can choose.
    problems.push({ kind, cgroup, program, programs, message: printable(message, 4096) });
  };
  const detached = new Set<string>();
  for (const name of HOOKS.keys()) {
    try {
      const reason = detachment(path, holder, name);
      if (reason === undefined) continue;
      detached.add(name);
      report('detached', path, name, `${name} is not attached to ${path}: ${reason}`);
    } catch (error) {
      report(
        'unreadable',
        path,
        name,
        `whether ${name} is attached to ${path} cannot be determined: ${(error as Error).message}`,
      );
    }
  }
  const { id: ownId, tag } = holder.datapath.program(MARK);
  /** Each program is reported once, for all cgroups that it runs for. */
  const seen = { ids: new Set([ownId]), tags: new Set([tag]) };
  const reportSeconds = (cgroup: Cgroup): void => {
    for (const holder of findAccelerators(cgroup, seen)) {
      const program = { id: holder.programId, name: holder.name, tag: '' };
      const what = `${holder.name || 'program'} (id ${holder.programId})${describeHolder(holder)}`;
      const message = `a second accelerator runs for ${cgroup.path}: ${what}: ${remedy(holder)}`;
      problems.push({
        kind: 'second accelerator',
        cgroup: cgroup.path,
        program: undefined,
        programs: [program],
        holder,
        message,
      });
    }
    for (const { id } of cgroup.programs({ attachType: 'cgroup/connect4', effective: true })) seen.ids.add(id);
  };
  try {
    using own = Cgroup.open(path);
    reportSeconds(own);
  } catch {
    // The cgroup was removed, which was reported above.
  }
  for (const cgroup of options.cgroups ?? populated(path)) {
    if (!isWithin(cgroup, path)) {
      report('outside', cgroup, undefined, `${cgroup} is not below ${path}: no program sees what runs there`);
      continue;
    }
    try {
      using open = Cgroup.open(cgroup);
      reportSeconds(open);
      for (const [name, { attachType }] of HOOKS) {
        if (detached.has(name)) continue;
        const programs = open.programs({ attachType, effective: true });
        const { id } = holder.datapath.program(name);
        if (programs.some(program => program.id === id)) continue;
        const instead =
          programs.map(program => `${program.name || 'program'} (id ${program.id})`).join(', ') || 'nothing';
        report(
          'not effective',
          cgroup,
          name,
          `${name} does not run for ${cgroup}, where the kernel runs ${instead}`,
          programs,
        );
      }
    } catch (error) {
      report('unreadable', cgroup, undefined, (error as Error).message);
    }
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
