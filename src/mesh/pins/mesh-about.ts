import { BpfArrayMap } from '../../bpf';
import type { Codec } from '../../codec';
import type { ResolvedOptions } from '../mesh-options';
import type { PinSet } from './pin-tree';
import type { MeshProfile } from '../profile';

const SIZE = 4096;
/** A map like any other, so that it is pinned and removed like any other. */
const NAME = 'mesh_about';

/** Text up to a NUL. */
const text: Codec<string> = {
  size: SIZE,
  encode: (value, buffer, offset = 0) => {
    buffer.fill(0, offset, offset + SIZE);
    buffer.write(value, offset, SIZE - 1);
  },
  decode: (buffer, offset = 0) => buffer.toString('utf8', offset, offset + SIZE).replace(/\0.*$/s, ''),
};

/** What was chosen when a mesh was started, as far as a later start has to compare it. */
export interface MeshAbout {
  /** The cgroup it was attached to; where it is now is what the links say. */
  readonly cgroup: string;
  /** What makes a profile this one and no other: see {@link identityOf}. */
  readonly profile: string;
}

/**
 * What makes a profile this one and no other. Ports that are excluded may change from one start to the next; what existing connections were
 * redirected by may not.
 */
export function identityOf({ name, outboundPort, inboundPort, sidecarUid, passthroughAddress }: MeshProfile): string {
  return `${name} (ports ${outboundPort} and ${inboundPort}, user ${sidecarUid}, from ${passthroughAddress})`;
}

/** A map that says it. The caller closes it. */
export function aboutMap({ cgroup, profile }: ResolvedOptions): BpfArrayMap<string> {
  const map = BpfArrayMap.create({ name: NAME, value: text, maxEntries: 1 });
  map.set(0, JSON.stringify({ cgroup, profile: identityOf(profile) } satisfies MeshAbout));
  return map;
}

/** What a set says; `undefined` if it says nothing. */
export function readAbout(set: PinSet): MeshAbout | undefined {
  const pin = set.maps.get(NAME);
  if (pin === undefined) return undefined;
  using map = BpfArrayMap.fromPin(pin.path, { value: text });
  try {
    return JSON.parse(map.get(0) ?? '') as MeshAbout;
  } catch {
    return undefined;
  }
}
