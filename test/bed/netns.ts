import { closeSync, existsSync, fstatSync, openSync, readdirSync, statSync } from 'node:fs';
import { removeUntilGone } from './gone';
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
  removeUntilGone(netnsPath(name), () => {
    endStrays(netnsPath(name));
    sh('ip', ['netns', 'delete', name]);
  });
}

function endStrays(path: string): void {
  // Open, it keeps its inode number, by which its processes are found. If another process removed it meanwhile, the
  // kernel would give the number to the next namespace, whose processes are not ours.
  const fd = openSync(path, 'r');
  try {
    const { ino, dev } = fstatSync(fd);
    // A name whose namespace was never mounted, or is not any more: left by a killed `ip netns`.
    if (dev !== statSync('/proc/self/ns/net').dev) return;
    for (let round = 0; round < 100; round++) {
      const strays = allProcesses().filter(pid => pid !== process.pid && isInNetns(pid, `net:[${ino}]`));
      if (strays.length === 0) return;
      for (const pid of strays) kill(pid);
      sleepSync(10);
    }
  } finally {
    closeSync(fd);
  }
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
