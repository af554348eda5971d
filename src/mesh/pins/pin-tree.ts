import { readdirSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { ForeignPinError, PinConflictError } from '../../errors';
import { HOOKS } from '../datapath/hooks';
import { assertOwnDirectory } from './pin-directory';
import { assertOurLink, isLink, readLink, readMap, readPin, readProgram, type LinkPin, type Pin } from './read-pin';

export type { LinkPin, Pin };

/**
 * Version of the layout of a pin directory. It is increased when a pinned object changes its meaning without changing
 * its size, or changes its place:
 *
 *   v1/links/<program>                the links, for the lifetime of the mesh
 *   v1/sets/<number>/maps/<map>       maps that one start created, or took over from the previous set
 *   v1/sets/<number>/programs/<program>
 *
 * The running set is the one whose programs the links run. Other sets are left from a start that was killed.
 *
 * A later version may have more links, maps and programs, and more directories for them anywhere in the layout. They
 * belong to this library if maps and programs are pinned under their names, and the program of each link is pinned in
 * the same directory. So they can be taken over and removed.
 */
export const LAYOUT = 'v1';

/** Pins of a later version in places where this version pins nothing. */
export interface OtherPins {
  /** The pins. */
  readonly pins: readonly (Pin | LinkPin)[];
  /** Paths of the directories, children before their parents. */
  readonly directories: readonly string[];
}

/** Maps and programs that one start pinned. */
export interface PinSet {
  /** Number of the set. */
  readonly number: number;
  /** Path of its directory. */
  readonly path: string;
  /** Its maps by name. */
  readonly maps: ReadonlyMap<string, Pin>;
  /** Its programs by name. */
  readonly programs: ReadonlyMap<string, Pin>;
  /** Pins of a later version in its directory. */
  readonly others: OtherPins;
}

/** All contents of a pin directory. */
export interface PinTree {
  /** Links that this version also makes, by the name of their program. */
  readonly links: ReadonlyMap<string, LinkPin>;
  /** Links that this version does not know: of other programs, or of known programs at other hooks. */
  readonly unknownLinks: readonly LinkPin[];
  /** All sets. */
  readonly sets: readonly PinSet[];
  /** Pins of a later version outside of `links` and `sets`. */
  readonly others: OtherPins;
  /** The set whose programs the links run. `undefined` if no link runs a program. */
  readonly running: PinSet | undefined;
  /** A link that runs a program of the running set. */
  readonly runningLink: LinkPin | undefined;
}

/**
 * Computes the paths in a pin directory.
 *
 * @param directory - the pin directory
 * @returns the paths
 */
export const pinPaths = (directory: string) => ({
  layout: join(directory, LAYOUT),
  links: join(directory, LAYOUT, 'links'),
  sets: join(directory, LAYOUT, 'sets'),
  set: (number: number) => join(directory, LAYOUT, 'sets', `${number}`),
});

/**
 * Reads a pin directory and changes nothing. The directory may be incomplete, because a start or a removal was killed.
 *
 * @internal
 * @param directory - the pin directory
 * @returns its contents
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if this library did not make something in it, or a pin cannot be
 * opened
 * @throws PinConflictError (`ERR_BPF_PIN_CONFLICT`) if this version does not know its layout
 */
export function readPinTree(directory: string): PinTree {
  const paths = pinPaths(directory);
  for (const entry of list(directory)) assertLayout(join(directory, entry.name), entry);
  const layout = split(paths.layout, name => name === 'links' || name === 'sets');
  const inSets = split(paths.sets, name => /^[1-9]\d{0,8}$/.test(name));
  const inLinks = splitLinks(paths.links);
  const sets = inSets.ours.map(({ name, path }): PinSet => {
    const { others } = split(path, part => part === 'maps' || part === 'programs');
    const maps = pins(join(path, 'maps'), 'map', readMap);
    return { number: Number(name), path, maps, programs: pins(join(path, 'programs'), 'program', readProgram), others };
  });
  const others = joined([layout.others, inSets.others, inLinks.others]);
  const isKnown = ({ name, attachType }: LinkPin): boolean =>
    HOOKS.has(name) && HOOKS.get(name)?.attachType === attachType;
  const links = new Map(inLinks.links.filter(isKnown).map(link => [link.name, link]));
  const elsewhere = [others, ...sets.map(set => set.others)].flatMap(each => each.pins.filter(isLink));
  const unknownLinks = [...inLinks.links.filter(link => !isKnown(link)), ...elsewhere];
  const programs = new Set([...sets.flatMap(set => [...programIds(set)]), ...programsOf(others)]);
  for (const link of [...links.values(), ...unknownLinks]) assertOurLink(link, programs);
  return { links, unknownLinks, sets, others, ...whatRuns(links, unknownLinks, sets) };
}

/**
 * Lists the programs of a set.
 *
 * @param set - the set
 * @returns program ids
 */
export function programIds(set: PinSet): ReadonlySet<number> {
  return new Set([...[...set.programs.values()].map(({ id }) => id), ...programsOf(set.others)]);
}

/**
 * Lists all pinned programs.
 *
 * @param tree - contents of the pin directory
 * @returns program ids
 */
export function allProgramIds({ sets, others }: PinTree): ReadonlySet<number> {
  return new Set([...sets.flatMap(set => [...programIds(set)]), ...programsOf(others)]);
}

/**
 * Tells whether a link runs a program of a set, or the directory of the set contains a link.
 *
 * @param set - the set
 * @param tree - contents of the pin directory
 * @returns whether the set is in use
 */
export function isInUse(set: PinSet, { links, unknownLinks }: PinTree): boolean {
  const programs = programIds(set);
  return (
    set.others.pins.some(isLink) ||
    [...links.values(), ...unknownLinks].some(({ programId }) => programs.has(programId))
  );
}

function programsOf({ pins: found }: OtherPins): number[] {
  return found.flatMap(({ kind, id }) => (kind === 'program' ? [id] : []));
}

/** The entrances are replaced last, so the set whose programs they run is the running one. */
function whatRuns(
  links: ReadonlyMap<string, LinkPin>,
  unknown: readonly LinkPin[],
  sets: readonly PinSet[],
): Pick<PinTree, 'running' | 'runningLink'> {
  const known = [...HOOKS.keys()].reverse().flatMap(name => links.get(name) ?? []);
  for (const runningLink of [...known, ...unknown]) {
    const running = sets.find(set => programIds(set).has(runningLink.programId));
    if (running !== undefined) return { running, runningLink };
  }
  return { running: undefined, runningLink: undefined };
}

function assertLayout(path: string, entry: Dirent): void {
  if (!entry.isDirectory())
    throw new ForeignPinError(path, `${whatIs(entry)}, where only directories of this library belong`);
  if (!/^v\d+$/.test(entry.name)) throw new ForeignPinError(path, 'a directory that this library did not make');
  if (entry.name !== LAYOUT)
    throw new PinConflictError(
      path,
      'layout',
      { pinned: entry.name, wanted: LAYOUT },
      { hint: 'remove it with the version that made it' },
    );
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

interface Directory {
  readonly name: string;
  readonly path: string;
}

/** The directories that this version knows, and pins of a later version beside them. */
function split(
  path: string,
  isOurs: (name: string) => boolean,
): { readonly ours: readonly Directory[]; readonly others: OtherPins } {
  const ours: Directory[] = [];
  const others: OtherPins[] = [];
  for (const entry of list(path)) {
    const at = join(path, entry.name);
    if (!isOurs(entry.name)) others.push(other(at, entry));
    else if (entry.isDirectory()) ours.push({ name: entry.name, path: at });
    else throw new ForeignPinError(at, `${whatIs(entry)}, where only directories of this library belong`);
  }
  return { ours, others: joined(others) };
}

function splitLinks(path: string): { readonly links: readonly LinkPin[]; readonly others: OtherPins } {
  const links: LinkPin[] = [];
  const others: OtherPins[] = [];
  for (const entry of list(path)) {
    const at = join(path, entry.name);
    if (entry.isFile()) links.push(readLink(at, entry.name));
    else others.push(other(at, entry));
  }
  return { links, others: joined(others) };
}

/** A pin or a directory that this version does not make, with all its contents. */
function other(path: string, entry: Dirent): OtherPins {
  if (entry.isFile()) return { pins: [readPin(path, entry.name)], directories: [] };
  if (!entry.isDirectory())
    throw new ForeignPinError(path, `${whatIs(entry)}, where only pins and directories of this library belong`);
  return joined([
    ...list(path).map(within => other(join(path, within.name), within)),
    { pins: [], directories: [path] },
  ]);
}

function joined(all: readonly OtherPins[]): OtherPins {
  return { pins: all.flatMap(each => each.pins), directories: all.flatMap(({ directories }) => directories) };
}

function pins(path: string, kind: Pin['kind'], read: (path: string, name: string) => Pin): ReadonlyMap<string, Pin> {
  return new Map(
    list(path).map(entry => {
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
