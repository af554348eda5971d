import { join } from 'node:path';
import type { Cgroup } from '../../bpf';
import { ForeignPinError, PinConflictError } from '../../errors';
import type { MeshProfile } from '../../policy';
import { cgroupPathOf } from '../cgroup-paths';
import { difference, meshIdentity, sentenceOf } from './mesh-identity';
import type { PinSet, PinTree } from './pin-tree';
import { isReadable, readIdentity } from './pinned-identity';

/**
 * Without these nothing can be taken over, so their names never change. Other maps may be missing in pins of an older
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
 * Refuses pins of another cgroup or another mesh. A cgroup that is gone is no other one.
 *
 * @internal
 * @param directory - the pin directory
 * @param tree - what is pinned there
 * @param cgroup - where the mesh is to be attached
 * @param profile - of the mesh that is to be started
 * @throws PinConflictError (`ERR_BPF_PIN_CONFLICT`) with what is pinned and what was asked for
 * @throws ForeignPinError (`ERR_BPF_FOREIGN_PIN`) if the mesh that runs lacks a map
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
        'nothing is there, but the mesh that runs has such a map',
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
