/**
 * What a node could leave on the machine. Others write to it at the same time, so only what can be the node's is looked
 * at: files and cgroups by their names, mounts by what is mounted and where, sysctls by their values.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sh } from '../bed/shell';
import type { Hierarchy } from './cgroups';
import { MACHINE_SYSCTLS, MOUNT_POINTS } from './mounts';

/** Where the runtime, the CNI plugins, the kubelet and the agent make files if nobody says otherwise. */
const DIRECTORIES = [
  '/etc',
  '/opt',
  '/run',
  '/run/netns',
  '/sys/fs/bpf',
  '/usr/libexec',
  '/var/lib',
  '/var/log',
] as const;
/** Names of these files, of the cgroups of pods and of what the test itself makes. */
const NAMES = /^(cni.*|containerd.*|containers|kube.*|merbridge|merbridge-node-.*|pods|runc)$/;
/** What is in the path of a mount of a pod; Docker has containerd, too, but neither of these. */
const MOUNTS = /\/(cni-[^/]*|io\.containerd\.grpc\.v1\.cri|k8s\.io|kubelet|merbridge-node-[^/]*)(\/|$)/;

interface Mount {
  readonly source: string;
  readonly target: string;
  readonly fstype: string;
}

/** Whether a file or a cgroup of this name can be the node's. */
export function isOfNode(name: string): boolean {
  return NAMES.test(name);
}

/** Whether something that is mounted can be the node's. */
export function isMountOfNode({ source, target }: Omit<Mount, 'fstype'>): boolean {
  return MOUNT_POINTS.includes(target) || MOUNTS.test(source) || MOUNTS.test(target);
}

/** All of it; what is there before a run is not of this run. */
export function traces(hierarchies: readonly Hierarchy[]): string[] {
  const directories = new Set([...DIRECTORIES, ...hierarchies.flatMap(({ parent, mount }) => [join(parent), mount])]);
  const files = [...directories]
    .filter(path => existsSync(path))
    .flatMap(path => {
      const names = readdirSync(path).filter(isOfNode);
      return names.map(name => join(path, name));
    });
  const sysctls = Object.keys(MACHINE_SYSCTLS).map(
    key => `${key} = ${readFileSync(join('/proc/sys', key), 'utf8').trim()}`,
  );
  return [...files, ...mounts(), ...sysctls];
}

function mounts(): string[] {
  const list = sh('findmnt', ['--json', '--list', '--output', 'SOURCE,TARGET,FSTYPE']);
  const { filesystems } = JSON.parse(list) as { filesystems: Mount[] };
  const counts = new Map<string, number>();
  return filesystems.filter(isMountOfNode).map(({ source, target, fstype }) => {
    // The same may be mounted twice in one place.
    const text = `${source} (${fstype}) mounted on ${target}`;
    const count = (counts.get(text) ?? 0) + 1;
    counts.set(text, count);
    return `${text}, ${count}`;
  });
}
