/** The file systems of the node, in a mount namespace of its own: with it, all of this is gone. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sh } from '../bed/shell';
import type { Hierarchy } from './cgroups';

/**
 * What the kubelet wants of the whole machine. It would set it, network namespace or not: so it is shown files that say
 * so.
 */
export const MACHINE_SYSCTLS: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

/** Below it are the machine's hierarchies of cgroups. */
const CGROUPS = '/sys/fs/cgroup';
/** Where the node has its own files instead of the machine's. */
const OWN_FILES = ['/var/lib', '/var/log'] as const;

/** What it mounts something on. */
export const MOUNT_POINTS: readonly string[] = [
  '/sys',
  CGROUPS,
  '/sys/fs/bpf',
  '/run',
  ...OWN_FILES,
  ...Object.keys(MACHINE_SYSCTLS).map(name => join('/proc/sys', name)),
];

const mount = (...args: string[]): string => sh('mount', args);

/** Sets them up in the mount namespace of this process. `directory` is where the node's files are kept. */
export function mountNode(directory: string, hierarchies: readonly Hierarchy[]): void {
  // Of the new network namespace: /sys shows the devices of the one in which it was mounted.
  mount('-t', 'sysfs', 'sysfs', '/sys');
  mountCgroups(hierarchies);
  mount('-t', 'bpf', 'bpf', '/sys/fs/bpf');
  mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/run');
  for (const path of OWN_FILES) {
    const own = join(directory, path);
    mkdirSync(own, { recursive: true });
    mount('--bind', own, path);
  }
  for (const [name, value] of Object.entries(MACHINE_SYSCTLS)) {
    const file = join(directory, 'sysctl', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${value}\n`);
    mount('--bind', file, join('/proc/sys', name));
  }
  // As systemd makes them. Otherwise the runtime refuses volumes with mountPropagation: HostToContainer.
  mount('--make-rshared', '/');
}

/** Anew, because the root of a hierarchy is that of the cgroup namespace in which it is mounted. */
function mountCgroups(hierarchies: readonly Hierarchy[]): void {
  if (hierarchies.some(({ type, mount }) => type === 'cgroup2' && mount === CGROUPS)) {
    mount('-t', 'cgroup2', 'cgroup2', CGROUPS);
    return;
  }
  mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', CGROUPS);
  for (const { mount: path, type, options } of hierarchies) {
    mkdirSync(path, { recursive: true });
    mount('-t', type, ...(options === '' ? [] : ['-o', options]), type, path);
  }
}
