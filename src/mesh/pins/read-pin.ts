import { BpfLink, BpfMapHandle, BpfProgram, type AttachTypeName, type Handle } from '../../bpf';
import { ForeignPinError } from '../../errors';

/** A pin and its kernel object. */
export interface Pin {
  /** Type of the kernel object. */
  readonly kind: 'link' | 'program' | 'map';
  /** File name of the pin. */
  readonly name: string;
  /** Path of the pin. */
  readonly path: string;
  /** Kernel-wide id of the link, program or map. */
  readonly id: number;
}

/** The pin of a link. */
export interface LinkPin extends Pin {
  /** Id of the program that the link runs. 0 if it was detached. */
  readonly programId: number;
  /** Whether the link is attached. */
  readonly isAttached: boolean;
  /**
   * Inode number of the cgroup. 0 if the cgroup was removed, if the link was detached, or if it is not attached to a
   * cgroup.
   */
  readonly cgroupId: bigint;
  /** The hook. `undefined` if it is not a known hook of cgroups. */
  readonly attachType: AttachTypeName | undefined;
}

/** Opens a pin. If that fails, the error has its path. */
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

/** Checks that a pin has the name of its object, of which the kernel keeps 15 bytes. */
function assertName(path: string, kind: string, name: string, found: string): void {
  if (name.slice(0, 15) !== found) throw new ForeignPinError(path, `a ${kind} named ${JSON.stringify(found)}`);
}

/**
 * Reads the pin of a map.
 *
 * @internal
 * @param path - path of the pin
 * @param name - its file name
 * @returns the pin
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if it is not a map of that name
 */
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

/**
 * Reads the pin of a program.
 *
 * @internal
 * @param path - path of the pin
 * @param name - its file name
 * @returns the pin
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if it is not a program of that name
 */
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
 * Reads the pin of a link, with any name and hook. {@link assertOurLink} checks whether it belongs to this library.
 *
 * @internal
 * @param path - path of the pin
 * @param name - its file name
 * @returns the pin
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if it cannot be opened as a link
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
 * Checks that a link belongs to this library: its program is pinned in the same directory. A detached link runs no
 * program and is accepted.
 *
 * @internal
 * @param link - the pin of the link
 * @param programs - ids of all pinned programs
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if its program is not pinned
 */
export function assertOurLink({ path, programId }: LinkPin, programs: ReadonlySet<number>): void {
  if (programId !== 0 && !programs.has(programId))
    throw new ForeignPinError(path, `a link that runs program ${programId}, which is not pinned here`);
}

/**
 * Reads a pin of an unknown type.
 *
 * @internal
 * @param path - path of the pin
 * @param name - its file name
 * @returns the pin
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if it is not a link, nor a map or program of that name
 */
export function readPin(path: string, name: string): Pin | LinkPin {
  for (const read of [readLink, readProgram, readMap]) {
    try {
      return read(path, name);
    } catch (error) {
      // A cause means that it could not be opened as this type. Without a cause it was opened, but has another name.
      if (!(error instanceof ForeignPinError) || error.cause === undefined) throw error;
    }
  }
  throw new ForeignPinError(path, 'it cannot be opened as a link, a program or a map');
}

/**
 * Tells whether a pin is that of a link.
 *
 * @internal
 * @param pin - a pin of any type
 * @returns whether it is a link
 */
export function isLink(pin: Pin | LinkPin): pin is LinkPin {
  return pin.kind === 'link';
}
