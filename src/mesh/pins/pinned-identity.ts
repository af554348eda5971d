import { BpfArrayMap } from '../../bpf';
import type { Codec } from '../../codec';
import { ForeignPinError } from '../../errors';
import type { ResolvedOptions } from '../mesh-options';
import { meshIdentity, sentenceOf, type MeshIdentity } from './mesh-identity';
import type { PinSet } from './pin-tree';

const SIZE = 4096;
/**
 * A map like any other, so that it is pinned and removed like any other. Its name never changes: versions find each
 * other's by it.
 */
const NAME = 'mesh_about';
/** Raised when a field changes its meaning. One more field does not raise it: who does not know it leaves it alone. */
const VERSION = 1;

/** Text up to a NUL. */
const text: Codec<string> = {
  size: SIZE,
  encode: (value, buffer, offset = 0) => {
    buffer.fill(0, offset, offset + SIZE);
    buffer.write(value, offset, SIZE - 1);
  },
  decode: (buffer, offset = 0) => buffer.toString('utf8', offset, offset + SIZE).replace(/\0.*$/s, ''),
};

/** What a set says of the mesh that it was started for, as far as a later start has to compare it. */
export interface PinnedIdentity {
  /** Version of these fields; 0 of a version that wrote none. */
  readonly version: number;
  /** What is known of the profile; empty of a version that wrote no fields. */
  readonly mesh: Partial<MeshIdentity>;
  /** The same in a sentence. Earlier versions wrote nothing else, and compare it. */
  readonly profile: string;
}

/** A map that says it. The caller closes it. */
export function identityMap({ cgroup, profile }: ResolvedOptions): BpfArrayMap<string> {
  const mesh = meshIdentity(profile);
  const identity = { version: VERSION, mesh, profile: sentenceOf(mesh) };
  // The cgroup is for people: where it is attached is what the links say. The longest paths have no room here.
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
 * What a set says; `undefined` if it has no such map.
 *
 * @throws ForeignPinError if the map is there and says something else
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

/** Whether the fields of a set are of a version whose meaning is known here. */
export function isReadable({ version }: PinnedIdentity): boolean {
  return version <= VERSION;
}
