import { existsSync, readdirSync, statSync } from 'node:fs';
import { allProcesses, isInNetns } from './processes';
import { ipBatch, sh, sleepSync } from './shell';

/** Where ip-netns(8) keeps the namespaces that have a name. */
export const NETNS_DIRECTORY = '/run/netns';

/** Every named network namespace. */
export function listNetns(): string[] {
  return existsSync(NETNS_DIRECTORY) ? readdirSync(NETNS_DIRECTORY) : [];
}

export function netnsPath(name: string): string {
  return `${NETNS_DIRECTORY}/${name}`;
}

/**
 * Ends what still runs in a namespace of ours, then removes it with all its interfaces.
 *
 * The processes of a pod died with its cgroup; what is left came in by another door (`ip netns exec` typed by hand) and
 * would keep the namespace alive without a name.
 */
export function removeNetns(name: string): void {
  if (!existsSync(netnsPath(name))) return;
  const link = netnsLink(name);
  for (let round = 0; link && round < 100; round++) {
    const strays = allProcesses().filter(pid => pid !== process.pid && isInNetns(pid, link));
    if (strays.length === 0) break;
    for (const pid of strays) kill(pid);
    sleepSync(10);
  }
  sh('ip', ['netns', 'delete', name]);
}

/** `net:[inode]`, or undefined for a name whose namespace was never mounted (left by a killed `ip netns add`). */
function netnsLink(name: string): string | undefined {
  const { ino, dev } = statSync(netnsPath(name));
  return dev === statSync('/proc/self/ns/net').dev ? `net:[${ino}]` : undefined;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it was quicker
  }
}

/**
 * The namespace that joins the pods: one bridge, which is what the bridge CNI plugin and kubenet make on a node.
 *
 * It is a namespace of its own so that the host's stays untouched: no interface, route, rule or sysctl changes there.
 */
export function createNodeNetns(name: string, gateway: string, gateway6: string): void {
  ipBatch([`netns add ${name}`]);
  ipBatch(
    [
      'link set lo up',
      'link add cni0 type bridge',
      `addr add ${gateway}/24 dev cni0`,
      `addr add ${gateway6}/64 dev cni0 nodad`,
      'link set cni0 up',
    ],
    name,
  );
}

/** A pod's namespace: `eth0` with both addresses, its other end on the node's bridge. */
export function createPodNetns(
  name: string,
  node: string,
  index: number,
  address: string,
  address6: string,
  gateway: string,
  gateway6: string,
): void {
  ipBatch([`netns add ${name}`]);
  ipBatch(
    [
      `link add veth${index} type veth peer name eth0 netns ${name}`,
      `link set veth${index} master cni0`,
      `link set veth${index} up`,
    ],
    node,
  );
  ipBatch(
    [
      'link set lo up',
      `addr add ${address}/24 dev eth0`,
      `addr add ${address6}/64 dev eth0 nodad`, // duplicate address detection would hold IPv6 back for a second
      'link set eth0 up',
      `route add default via ${gateway}`,
      `route add default via ${gateway6}`,
    ],
    name,
  );
}
