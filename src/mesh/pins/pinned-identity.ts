import { BpfArrayMap } from '../../bpf';
import type { Codec } from '../../codec';
import { ForeignPinError } from '../../errors';
import type { ResolvedOptions } from '../mesh-options';
import { meshIdentity, sentenceOf, type MeshIdentity } from './mesh-identity';
import type { PinSet } from './pin-tree';

const SIZE = 4096;
/**
 * Name of the map that contains the identity. It is an ordinary map, so it is pinned and removed like the others. Its
 * name never changes, so that each version finds the maps of others.
 */
const NAME = 'mesh_about';
/**
 * Increased when a member changes its meaning, not when one is added: a version ignores members that it does not know.
 */
const VERSION = 1;

/** Codec of a NUL-terminated text. */
const text: Codec<string> = {
  size: SIZE,
  encode: (value, buffer, offset = 0) => {
    buffer.fill(0, offset, offset + SIZE);
    buffer.write(value, offset, SIZE - 1);
  },
  decode: (buffer, offset = 0) => buffer.toString('utf8', offset, offset + SIZE).replace(/\0.*$/s, ''),
};

/** Identity of the mesh that a set was started for. A later start compares it. */
export interface PinnedIdentity {
  /** Version of these members. 0 if the writer was a version that did not write one. */
  readonly version: number;
  /** Known members of the profile. Empty if the writer was a version that did not write them. */
  readonly mesh: Partial<MeshIdentity>;
  /** The same in a sentence. Earlier versions wrote only this, and compare it. */
  readonly profile: string;
}

/**
 * Creates a map that contains the identity of a mesh.
 *
 * @param options - its profile and cgroup
 * @returns the map. The caller closes it
 * @throws RangeError if the name of the profile is too long to be stored
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the map cannot be created
 */
export function identityMap({ cgroup, profile }: ResolvedOptions): BpfArrayMap<string> {
  const mesh = meshIdentity(profile);
  const identity = { version: VERSION, mesh, profile: sentenceOf(mesh) };
  // The cgroup is informational, because the links say where the mesh is attached. A very long path is left out.
  const written = [{ ...identity, cgroup }, identity]
    .map(each => JSON.stringify(each))
    .find(each => Buffer.byteLength(each) < SIZE);
  if (written === undefined)
    throw new RangeError(`profile: its name is too long to be pinned, ${profile.name.length} characters`);
  const map = BpfArrayMap.create({ name: NAME, value: text, maxEntries: 1 });
  map.set(0, written);
  return map;
}

/**
 * Reads the identity of the mesh of a set.
 *
 * @param set - the set
 * @returns its identity. `undefined` if the set has no such map
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if the map contains something else
 */
export function readIdentity(set: PinSet): PinnedIdentity | undefined {
  const pin = set.maps.get(NAME);
  if (pin === undefined) return undefined;
  using map = BpfArrayMap.fromPin(pin.path, { value: text });
  let found: unknown;
  try {
    found = JSON.parse(map.get(0) ?? '');
  } catch (cause) {
    throw new ForeignPinError(pin.path, 'it does not say which mesh this is', { cause });
  }
  const { version = 0, mesh = {}, profile } = (found ?? {}) as Partial<PinnedIdentity>;
  if (typeof version !== 'number' || typeof mesh !== 'object' || mesh === null || typeof profile !== 'string')
    throw new ForeignPinError(pin.path, 'it does not say which mesh this is');
  return { version, mesh, profile };
}

/**
 * Tells whether this version knows the meaning of the members.
 *
 * @param identity - a pinned identity
 * @returns whether it can be compared
 */
export function isReadable({ version }: PinnedIdentity): boolean {
  return version <= VERSION;
}
