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

/** What {@link MeshAccelerator.check} looks at. */
export interface MeshCheckOptions {
  /**
   * Paths of the pods' cgroups. Default: those at and below the mesh's cgroup that have processes, 1024 at most.
   */
  readonly cgroups?: readonly string[] | undefined;
}

/**
 * What keeps a program from seeing the connections of a pod.
 *
 * - `'detached'`: the attachment is gone, because its cgroup was removed or because somebody detached it. A start with
 *   the same pins makes a new one.
 * - `'outside'`: the cgroup is not below that of the mesh.
 * - `'not effective'`: the kernel does not run the program for this cgroup; `programs` are those that it runs instead.
 * - `'second accelerator'`: another one runs for the cgroup, too, because it is attached to it, above it or below it;
 *   both then redirect the same connections. `programs` is its program, `holder` who holds it. Without CAP_SYS_ADMIN it
 *   is seen if its pins or its process are of the same user.
 * - `'unreadable'`: the kernel could not be asked, or the pins could not be read; the message says why.
 */
export interface MeshProblem {
  readonly kind: 'detached' | 'outside' | 'not effective' | 'second accelerator' | 'unreadable';
  /** The cgroup that this is about. */
  readonly cgroup: string;
  /** Name of the program; `undefined` if it concerns all of them. */
  readonly program: string | undefined;
  /** The programs that the kernel runs there for the same hook. */
  readonly programs: readonly CgroupProgram[];
  /** Of a second accelerator: where it is attached, and who holds it. */
  readonly holder?: AttachmentHolder | undefined;
  /** All of it for people. */
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
    // Whoever may make cgroups below a pod's chooses their names.
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
        `whether ${name} is attached to ${path} cannot be told: ${(error as Error).message}`,
      );
    }
  }
  const { id: ownId, tag } = holder.datapath.program(MARK);
  /** Each program is looked into once, for all cgroups that it runs for. */
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
    // It is gone, which was told above.
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
    return link.cgroupId === id ? undefined : 'the cgroup was made anew, and its link is of the one before';
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
    return true; // it does not exist, which opening it tells
  }
}
