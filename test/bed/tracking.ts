import type { Bed } from './bed';

/**
 * Lets the node route what goes from pod to pod, track it, and drop what it does not know, as kube-proxy makes nodes
 * do: a connection without a segment for that long is forgotten, and its end is dropped.
 */
export function trackOnNode(bed: Bed, establishedSeconds: number): void {
  bed.onNode('sysctl', [
    '-qw',
    'net.ipv4.ip_forward=1',
    'net.ipv4.conf.all.send_redirects=0',
    'net.ipv4.conf.cni0.send_redirects=0',
  ]);
  for (const state of ['INVALID', 'ESTABLISHED'] as const)
    bed.onNode('iptables', [
      '-A',
      'FORWARD',
      '-m',
      'conntrack',
      '--ctstate',
      state,
      '-j',
      state === 'INVALID' ? 'DROP' : 'ACCEPT',
    ]);
  bed.onNode('sysctl', ['-qw', `net.netfilter.nf_conntrack_tcp_timeout_established=${establishedSeconds}`]);
  for (const pod of bed.pods) {
    const gateway = pod.address.replace(/\d+$/, '1');
    for (const other of bed.pods) if (other !== pod) pod.admin('ip', ['route', 'add', other.address, 'via', gateway]);
  }
}

/** How many segments the node let through as of a known connection, and how many it dropped. */
export function trackedOnNode(bed: Bed): { readonly known: number; readonly dropped: number } {
  const counts = bed.onNode('iptables-save', ['-c', '-t', 'filter']);
  const packets = (target: string): number =>
    Number(new RegExp(`^\\[(\\d+):\\d+\\] -A FORWARD .*-j ${target}$`, 'm').exec(counts)?.[1] ?? NaN);
  return { known: packets('ACCEPT'), dropped: packets('DROP') };
}
