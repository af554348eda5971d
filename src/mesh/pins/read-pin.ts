import { BpfLink, BpfMapHandle, BpfProgram, type AttachTypeName, type Handle } from '../../bpf';
import { ForeignPinError } from '../../errors';

/** One pin, and the object of the kernel behind it. */
export interface Pin {
  readonly kind: 'link' | 'program' | 'map';
  readonly name: string;
  readonly path: string;
  /** Kernel-wide id of the link, program or map. */
  readonly id: number;
}

/** A link, and what it runs. */
export interface LinkPin extends Pin {
  readonly programId: number;
  readonly isAttached: boolean;
  /**
   * Inode number of the cgroup; 0 if that is gone, if the link was detached, or if it is of something else than a
   * cgroup.
   */
  readonly cgroupId: bigint;
  /** The hook; `undefined` if it is none of a cgroup that is known here. */
  readonly attachType: AttachTypeName | undefined;
}

/** Opens a pin, and says where it lies if that fails. */
function opened<H extends Handle, T>(path: string, kind: string, open: (path: string) => H, use: (handle: H) => T): T {
  let handle: H;
  try {
    handle = open(path);
  } catch (cause) {
    const { errno, hint } = cause as { errno?: number; hint?: string };
    throw new ForeignPinError(path, `it cannot be opened as a ${kind}${hint === undefined ? '' : `: ${hint}`}`, {
      cause,
      errno,
    });
  }
  try {
    return use(handle);
  } finally {
    handle.close();
  }
}

/** The kernel keeps 15 bytes of a name. */
function assertName(path: string, kind: string, name: string, found: string): void {
  if (name.slice(0, 15) !== found) throw new ForeignPinError(path, `a ${kind} named ${JSON.stringify(found)}`);
}

/** A map that is pinned under its name. @internal */
export function readMap(path: string, name: string): Pin {
  return opened(
    path,
    'map',
    at => BpfMapHandle.fromPin(at),
    map => {
      assertName(path, 'map', name, map.name);
      return { kind: 'map', name, path, id: map.id };
    },
  );
}

/** A program that is pinned under its name. @internal */
export function readProgram(path: string, name: string): Pin {
  return opened(
    path,
    'program',
    at => BpfProgram.fromPin(at),
    program => {
      assertName(path, 'program', name, program.name);
      return { kind: 'program', name, path, id: program.id };
    },
  );
}

/**
 * A link, whatever its name and its hook. Whether it is ours is a question of what it runs: {@link assertOurLink}.
 * @internal
 */
export function readLink(path: string, name: string): LinkPin {
  return opened(
    path,
    'link',
    at => BpfLink.openPin(at),
    link => ({
      kind: 'link',
      name,
      path,
      id: link.id,
      programId: link.programId(),
      attachType: link.attachType,
      isAttached: link.isAttached(),
      cgroupId: link.isAttached() ? (link.cgroupId ?? 0n) : 0n,
    }),
  );
}

/**
 * A link is ours if the program that it runs is pinned with us; one that was detached runs nothing.
 *
 * @internal
 * @param programs - ids of all programs that are pinned
 */
export function assertOurLink({ path, programId }: LinkPin, programs: ReadonlySet<number>): void {
  if (programId !== 0 && !programs.has(programId))
    throw new ForeignPinError(path, `a link that runs program ${programId}, which is not pinned here`);
}

/** A pin of which nothing is known but its path. @internal */
export function readPin(path: string, name: string): Pin | LinkPin {
  for (const read of [readLink, readProgram, readMap]) {
    try {
      return read(path, name);
    } catch (error) {
      // With a cause it could not be opened as that; without one it was, and has another name.
      if (!(error instanceof ForeignPinError) || error.cause === undefined) throw error;
    }
  }
  throw new ForeignPinError(path, 'it cannot be opened as a link, a program or a map');
}

/** Whether a pin of any kind is a link. @internal */
export function isLink(pin: Pin | LinkPin): pin is LinkPin {
  return pin.kind === 'link';
}
