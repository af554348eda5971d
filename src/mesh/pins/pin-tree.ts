import { readdirSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { ForeignPinError, PinConflictError } from '../../errors';
import { HOOKS } from '../datapath/hooks';
import { assertOwnDirectory } from './pin-directory';
import { assertOurLink, isLink, readLink, readMap, readPin, readProgram, type LinkPin, type Pin } from './read-pin';

export type { LinkPin, Pin };

/**
 * The layout of a pin directory. It is raised when what is pinned changes its meaning without changing its size, or its
 * place:
 *
 *   v1/links/<program>                the attachments, for as long as the mesh is there
 *   v1/sets/<number>/maps/<map>       what one start loaded, or took over from the set before
 *   v1/sets/<number>/programs/<program>
 *
 * The set that counts is the one whose programs the links run. Others are what a start left that was killed.
 *
 * A later version may have more of everything: links, maps, programs, and directories for them anywhere in the layout.
 * All of it is ours as long as maps and programs are pinned under their names, and what a link runs is pinned with us;
 * so it can be taken over and removed.
 */
export const LAYOUT = 'v1';

/** What a later version pinned where this one pins nothing. */
export interface OtherPins {
  readonly pins: readonly (Pin | LinkPin)[];
  /** Paths of the directories, those within others first. */
  readonly directories: readonly string[];
}

/** What one start pinned. */
export interface PinSet {
  readonly number: number;
  readonly path: string;
  readonly maps: ReadonlyMap<string, Pin>;
  readonly programs: ReadonlyMap<string, Pin>;
  readonly others: OtherPins;
}

/** All that is pinned. */
export interface PinTree {
  /** The attachments that this version makes, too, by the name of their program. */
  readonly links: ReadonlyMap<string, LinkPin>;
  /** Attachments that this version does not know: of other programs, or of these at other hooks. */
  readonly unknownLinks: readonly LinkPin[];
  readonly sets: readonly PinSet[];
  /** What lies in the layout beside links and sets. */
  readonly others: OtherPins;
  /** The set that the links run; `undefined` if no link runs anything. */
  readonly running: PinSet | undefined;
  /** The link that tells so. */
  readonly runningLink: LinkPin | undefined;
}

/** Paths in a pin directory. */
export const pinPaths = (directory: string) => ({
  layout: join(directory, LAYOUT),
  links: join(directory, LAYOUT, 'links'),
  sets: join(directory, LAYOUT, 'sets'),
  set: (number: number) => join(directory, LAYOUT, 'sets', `${number}`),
});

/**
 * Reads a pin directory, whole or in part: a start or a removal may have been killed. Changes nothing.
 *
 * @internal
 * @throws ForeignPinError for whatever is not from this library, or cannot be opened
 * @throws PinConflictError for a layout that this version does not know
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

/** Ids of all programs of a set. */
export function programIds(set: PinSet): ReadonlySet<number> {
  return new Set([...[...set.programs.values()].map(({ id }) => id), ...programsOf(set.others)]);
}

/** Ids of all programs that are pinned. */
export function allProgramIds({ sets, others }: PinTree): ReadonlySet<number> {
  return new Set([...sets.flatMap(set => [...programIds(set)]), ...programsOf(others)]);
}

/** Whether a link runs a program of a set, or the set holds a link. */
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

/** The entrances are replaced last: what they run is what the mesh runs. */
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

/** The directories that this version knows, and what lies beside them. */
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

/** A pin or a directory that this version does not make, with all that is in it. */
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
