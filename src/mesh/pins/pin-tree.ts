import { readdirSync, unlinkSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { BpfLink, BpfMapHandle, BpfProgram, type Handle } from '../../bpf';
import { ForeignPinError, PinConflictError } from '../../errors';
import { HOOKS } from '../hooks';
import { assertOwnDirectory, removeIfEmpty } from './pin-directory';

/**
 * The layout of a pin directory. It is raised when what is pinned changes its meaning without changing its size, or its place:
 *
 *   v1/links/<program>                the attachments, for as long as the mesh is there
 *   v1/sets/<number>/maps/<map>       what one start loaded, or took over from the set before
 *   v1/sets/<number>/programs/<program>
 *
 * The set that counts is the one whose programs the links run. Others are what a start left that was killed.
 */
export const LAYOUT = 'v1';

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
  /** Inode number of the cgroup; 0 if that is gone, or the link was detached. */
  readonly cgroupId: bigint;
}

/** What one start pinned. */
export interface PinSet {
  readonly number: number;
  readonly path: string;
  readonly maps: ReadonlyMap<string, Pin>;
  readonly programs: ReadonlyMap<string, Pin>;
}

/** All that is pinned. */
export interface PinTree {
  readonly links: ReadonlyMap<string, LinkPin>;
  readonly sets: readonly PinSet[];
  /** The set that the links run; `undefined` if there is no link. */
  readonly running: PinSet | undefined;
}

/** Paths in a pin directory. */
export const pinPaths = (directory: string) => ({
  layout: join(directory, LAYOUT),
  links: join(directory, LAYOUT, 'links'),
  sets: join(directory, LAYOUT, 'sets'),
  set: (number: number) => join(directory, LAYOUT, 'sets', `${number}`),
});

/**
 * Reads a pin directory, whole or in part: a start or a removal may have been killed.
 *
 * @internal
 * @throws ForeignPinError for whatever is not from this library, or cannot be opened
 * @throws PinConflictError for a layout that this version does not know
 */
export function readPinTree(directory: string): PinTree {
  const paths = pinPaths(directory);
  for (const { name, path } of directories(directory, (name) => /^v\d+$/.test(name)))
    if (name !== LAYOUT)
      throw new PinConflictError(path, 'layout', { pinned: name, wanted: LAYOUT }, { hint: 'remove it with the version that made it' });
  directories(paths.layout, (name) => name === 'links' || name === 'sets');
  const sets = directories(paths.sets, (name) => /^[1-9]\d{0,8}$/.test(name)).map(({ name, path }): PinSet => {
    directories(path, (part) => part === 'maps' || part === 'programs');
    return { number: Number(name), path, maps: pins(join(path, 'maps'), 'map', readMap), programs: pins(join(path, 'programs'), 'program', readProgram) };
  });
  const links = pins(paths.links, 'link', (path, name) => readLink(path, name, sets));
  return { links, sets, running: runningSet(links, sets) };
}

/** The entrances are replaced last: what they run is what the mesh runs. */
function runningSet(links: ReadonlyMap<string, LinkPin>, sets: readonly PinSet[]): PinSet | undefined {
  for (const name of [...HOOKS.keys()].reverse()) {
    const link = links.get(name);
    const set = link && sets.find(({ programs }) => programs.get(name)?.id === link.programId);
    if (set !== undefined) return set;
  }
  return undefined;
}

function list(path: string): Dirent[] {
  try {
    assertOwnDirectory(path);
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function directories(path: string, isOurs: (name: string) => boolean): { name: string; path: string }[] {
  return list(path).map((entry) => {
    const at = join(path, entry.name);
    if (!entry.isDirectory()) throw new ForeignPinError(at, `${whatIs(entry)}, where only directories of this library belong`);
    if (!isOurs(entry.name)) throw new ForeignPinError(at, 'a directory that this library did not make');
    return { name: entry.name, path: at };
  });
}

function pins<T extends Pin>(path: string, kind: Pin['kind'], read: (path: string, name: string) => T): ReadonlyMap<string, T> {
  return new Map(
    list(path).map((entry) => {
      const at = join(path, entry.name);
      if (!entry.isFile()) throw new ForeignPinError(at, `${whatIs(entry)}, where the pin of a ${kind} belongs`);
      return [entry.name, read(at, entry.name)];
    }),
  );
}

function whatIs(entry: Dirent): string {
  if (entry.isSymbolicLink()) return 'a symbolic link';
  return entry.isDirectory() ? 'a directory' : 'a pin';
}

/** Opens a pin, and says where it lies if that fails. */
function opened<H extends Handle, T>(path: string, kind: string, open: (path: string) => H, use: (handle: H) => T): T {
  let handle: H;
  try {
    handle = open(path);
  } catch (cause) {
    const { errno, hint } = cause as { errno?: number; hint?: string };
    throw new ForeignPinError(path, `it cannot be opened as a ${kind}${hint === undefined ? '' : `: ${hint}`}`, { cause, errno });
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

function readMap(path: string, name: string): Pin {
  return opened(path, 'map', (at) => BpfMapHandle.fromPin(at), (map) => {
    assertName(path, 'map', name, map.name);
    return { kind: 'map', name, path, id: map.id };
  });
}

function readProgram(path: string, name: string): Pin {
  return opened(path, 'program', (at) => BpfProgram.fromPin(at), (program) => {
    assertName(path, 'program', name, program.name);
    return { kind: 'program', name, path, id: program.id };
  });
}

function readLink(path: string, name: string, sets: readonly PinSet[]): LinkPin {
  return opened(path, 'link', (at) => BpfLink.openPin(at), (link) => {
    const hook = HOOKS.get(name);
    if (hook === undefined || link.attachType !== hook) throw new ForeignPinError(path, `a link of ${link.attachType ?? 'another kind'}`);
    const programId = link.programId();
    const isOurs = programId === 0 || sets.some(({ programs }) => programs.get(name)?.id === programId);
    if (!isOurs) throw new ForeignPinError(path, `a link that runs program ${programId}, which is not pinned here`);
    return { kind: 'link', name, path, id: link.id, programId, cgroupId: link.isAttached() ? (link.cgroupId ?? 0n) : 0n };
  });
}

/**
 * Removes the pins of a set, and its directories.
 *
 * @internal
 * @returns what it removed
 */
export function removeSet(set: PinSet): Pin[] {
  const removed = [...set.programs.values(), ...set.maps.values()];
  for (const { path } of removed) unlinkSync(path);
  for (const part of ['programs', 'maps', '.']) removeIfEmpty(join(set.path, part));
  return removed;
}
