import { join } from 'node:path';
import type { Cgroup } from '../../bpf';
import { ForeignPinError, PinConflictError } from '../../errors';
import type { MeshProfile } from '../../policy';
import { cgroupPathOf } from '../cgroup-paths';
import { difference, meshIdentity, sentenceOf } from './mesh-identity';
import type { PinSet, PinTree } from './pin-tree';
import { isReadable, readIdentity } from './pinned-identity';

/**
 * Maps that a takeover needs. Their names never change between versions. Other maps may be missing in pins of an older
 * version.
 */
const INDISPENSABLE = [
  'mesh_settings',
  'local_pod_ips',
  'sock_pair_map',
  'socket_peer',
  'socket_origin',
  'last_held',
] as const;

const HINT = 'remove that mesh first, with detachAll';

/**
 * Refuses pins of another cgroup or another mesh. A cgroup that was removed does not count as another one.
 *
 * @internal
 * @param directory - the pin directory
 * @param tree - its contents
 * @param cgroup - the cgroup to attach the mesh to
 * @param profile - the profile to start
 * @throws PinConflictError (`ERR_BPF_PIN_CONFLICT`) if the cgroup or the mesh differs; the message has both values
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if the pinned mesh lacks a map
 */
export function assertSameMesh(
  directory: string,
  { links, running }: PinTree,
  cgroup: Cgroup,
  profile: MeshProfile,
): void {
  for (const { cgroupId, path } of links.values()) {
    const other = cgroupId === 0n || cgroupId === cgroup.id ? undefined : cgroupPathOf(cgroupId);
    if (other !== undefined)
      throw new PinConflictError(path, 'cgroup', { pinned: other, wanted: cgroup.path }, { hint: HINT });
  }
  if (running === undefined) return;
  for (const name of INDISPENSABLE)
    if (!running.maps.has(name))
      throw new ForeignPinError(
        join(running.path, 'maps', name),
        'this pin is missing, but the running mesh must have this map',
      );
  assertSameProfile(directory, running, profile);
}

function assertSameProfile(directory: string, running: PinSet, profile: MeshProfile): void {
  const pinned = readIdentity(running);
  if (pinned === undefined) return;
  const mesh = meshIdentity(profile);
  const wanted = sentenceOf(mesh);
  if (!isReadable(pinned)) {
    const values = { pinned: `${pinned.profile}, described in version ${pinned.version}`, wanted };
    throw new PinConflictError(directory, 'profile', values, { hint: 'remove it with the version that made it' });
  }
  const differs =
    pinned.version > 0
      ? difference(pinned.mesh, mesh)
      : pinned.profile !== wanted && { pinned: pinned.profile, wanted };
  if (differs) throw new PinConflictError(directory, 'profile', differs, { hint: HINT });
}
