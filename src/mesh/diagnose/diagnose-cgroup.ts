import { readFileSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { AttachType, BpfLink, Cgroup, type AttachTypeName } from '../../bpf';
import { linkIds } from '../../bpf/internal';
import { OUR_PROGRAMS } from './diagnose-features';

/** The control groups of this machine, and the one that was asked about. */
export interface DiagnosedCgroup {
  /** Where cgroup2 is mounted, as this process sees it. */
  readonly mounts: readonly string[];
  /** Whether version 1 is mounted, too. */
  readonly hybrid: boolean;
  /** The path that was given, or the first mount. */
  readonly path: string | undefined;
  /** Whether programs can be attached there, as far as the path goes. */
  readonly valid: boolean;
  /** Why not. */
  readonly reason?: string | undefined;
}

/** A program that is attached. */
export interface DiagnosedAttachment {
  /** Path of the cgroup that it is attached to: the given one, or one above it. */
  readonly cgroup: string;
  readonly attachType: AttachTypeName;
  readonly id: number;
  /** Cut by the kernel to 15 bytes; empty without CAP_SYS_ADMIN. */
  readonly name: string;
  readonly tag: string;
  /** Whether it is named like one of this library; `undefined` if its name is not known. */
  readonly ours: boolean | undefined;
  /** Id of the link that holds it; `undefined` if there is none, or without CAP_SYS_ADMIN. */
  readonly linkId: number | undefined;
}

/** @internal */
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

/** None where /proc is not mounted: a path that was given can be looked at all the same. */
function mountLines(): string[][] {
  try {
    return readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map(line => line.split(' '));
  } catch {
    return [];
  }
}

/** What is attached to a cgroup and to those above it. @internal */
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
      return; // above the mount
    }
    yield at;
    if (at === '/') return;
  }
}

/** A hook that this kernel does not know has no programs. */
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
        // It ended between the two calls.
      }
    }
  } catch {
    // Without CAP_SYS_ADMIN nobody may know. What is attached is told all the same.
  }
  return found;
}
