/** Finds the cgroup in which the kubelet keeps the cgroups of this node's pods. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Names below the root: of a kubelet with systemd's cgroup driver, with cgroupfs, and with `--cgroup-root=/kubelet`, as
 * kind and others set it.
 */
const NAMES = ['kubepods.slice', 'kubepods', 'kubelet.slice/kubelet-kubepods.slice', 'kubelet/kubepods'];

/**
 * Searches every cgroup2 file system that is mounted here. A container has two, its own and the host's.
 *
 * @throws Error if there is none; the message says where it looked
 */
export function findPodCgroup(mounts = readFileSync('/proc/mounts', 'utf8')): string {
  const roots = mounts.split('\n').flatMap(line => {
    const [, path, type] = line.split(' ');
    return type === 'cgroup2' && path !== undefined ? [path] : [];
  });
  for (const root of roots) {
    for (const name of NAMES) if (existsSync(join(root, name))) return join(root, name);
  }
  const looked =
    roots.length === 0 ? 'no cgroup2 is mounted here' : `looked for ${NAMES.join(', ')} below ${roots.join(', ')}`;
  throw new Error(`the pods' cgroup was not found: ${looked}. Mount the host's /sys/fs/cgroup, or set CGROUP`);
}
