import { readFileSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { AttachType, BpfLink, Cgroup, type AttachTypeName } from '../../bpf';
import { linkIds } from '../../bpf/internal';
import { OUR_PROGRAMS } from './diagnose-features';

/** The cgroup mounts of this machine, and the cgroup that {@link diagnose} looked at. */
export interface DiagnosedCgroup {
  /** Mount points of cgroup2, as this process sees them. */
  readonly mounts: readonly string[];
  /** Whether cgroup version 1 is mounted, too. */
  readonly hybrid: boolean;
  /** The path that was given, or the first mount point. */
  readonly path: string | undefined;
  /** Whether the path is a cgroup of version 2, to which programs can be attached. */
  readonly valid: boolean;
  /** Why it is not valid. */
  readonly reason?: string | undefined;
}

/** A program that is attached to a cgroup. */
export interface DiagnosedAttachment {
  /** Path of the cgroup that it is attached to: the given one, or an ancestor. */
  readonly cgroup: string;
  /** The hook. */
  readonly attachType: AttachTypeName;
  /** Id of the program, as `bpftool prog` lists it. */
  readonly id: number;
  /** Name of the program. The kernel keeps 15 bytes of it. Empty without CAP_SYS_ADMIN. */
  readonly name: string;
  /** Hash of its instructions. Empty without CAP_SYS_ADMIN. */
  readonly tag: string;
  /** Whether it has the name of a program of this library. `undefined` if its name is not known. */
  readonly ours: boolean | undefined;
  /** Id of the link that holds it. `undefined` if there is none, or without CAP_SYS_ADMIN. */
  readonly linkId: number | undefined;
}

/**
 * Looks at the cgroup mounts and at one cgroup.
 *
 * @internal
 * @param given - path of the cgroup. `undefined` means the first mount point
 * @returns what was found
 */
export function diagnoseCgroup(given: string | undefined): DiagnosedCgroup {
  const lines = mountLines();
  const mounts = lines.flatMap(([, target, type]) => (type === 'cgroup2' && target !== undefined ? [target] : []));
  const common = { mounts, hybrid: lines.some(([, , type]) => type === 'cgroup'), path: given ?? mounts[0] };
  try {
    Cgroup.open(common.path ?? Cgroup.mountPoint()).close();
    return { ...common, valid: true };
  } catch (error) {
    return { ...common, valid: false, reason: (error as Error).message };
  }
}

/** Lines of /proc/mounts. Empty if /proc is not mounted: a path that was given can be examined without it. */
function mountLines(): string[][] {
  try {
    return readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map(line => line.split(' '));
  } catch {
    return [];
  }
}

/**
 * Lists the programs that are attached to a cgroup and to its ancestors.
 *
 * @internal
 * @param path - directory of the cgroup
 * @returns the programs, those of the given cgroup first
 */
export function diagnoseAttachments(path: string): DiagnosedAttachment[] {
  const links = linksByProgram();
  const found: DiagnosedAttachment[] = [];
  for (const at of upwards(path)) {
    using cgroup = Cgroup.open(at);
    for (const attachType of Object.keys(AttachType) as AttachTypeName[]) {
      if (/^sk_(skb|msg)/.test(attachType)) continue;
      for (const { id, name, tag } of query(cgroup, attachType))
        found.push({
          cgroup: at,
          attachType,
          id,
          name,
          tag,
          ours: name === '' ? undefined : OUR_PROGRAMS.has(name),
          linkId: links.get(`${id} ${attachType} ${cgroup.id}`),
        });
    }
  }
  return found;
}

function* upwards(path: string): Generator<string, void, undefined> {
  for (let at = realpathSync(path); ; at = dirname(at)) {
    try {
      Cgroup.open(at).close();
    } catch {
      return; // above the mount point
    }
    yield at;
    if (at === '/') return;
  }
}

/** Programs that are attached to a hook. Empty if this kernel does not know the hook. */
function query(cgroup: Cgroup, attachType: AttachTypeName): ReturnType<Cgroup['programs']> {
  try {
    return cgroup.programs({ attachType });
  } catch (error) {
    if ((error as { errnoName?: string }).errnoName === 'EINVAL') return [];
    throw error;
  }
}

function linksByProgram(): Map<string, number> {
  const found = new Map<string, number>();
  try {
    for (const id of linkIds()) {
      try {
        using link = BpfLink.fromId(id);
        if (link.cgroupId !== undefined) found.set(`${link.programId()} ${link.attachType} ${link.cgroupId}`, id);
      } catch {
        // The link was closed between the two calls.
      }
    }
  } catch {
    // Listing links needs CAP_SYS_ADMIN. The attached programs are reported even without their links.
  }
  return found;
}
