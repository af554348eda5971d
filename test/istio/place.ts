/** The network namespace of this process, and its cable to the bridge of a bed: istiod and the API server live here. */
import { networkInterfaces } from 'node:os';
import type { Bed } from '../bed';
import { ipBatch } from '../bed/shell';

const SUBNET = 78;
/** Of this process, as the pods reach it. */
export const NODE_ADDRESS = `10.244.${SUBNET}.2`;
/** Of the second pod of a bed. */
export const SERVER_ADDRESS = `10.244.${SUBNET}.11`;
export const BED = { subnet: SUBNET } as const;

/** Refuses to change the machine's own namespace: `unshare --net` makes one. */
export function enterPlace(): void {
  if (Object.keys(networkInterfaces()).length > 0)
    // in a new namespace not even loopback is up
    throw new Error('this changes addresses and routes: run it by npm run test:istio, in a network namespace');
  ipBatch(['link set lo up', `addr add ${NODE_ADDRESS}/32 dev lo`]);
}

/** Goes with the bed. */
export function connect(bed: Bed): void {
  const [name, other] = [`to-${bed.id}`, 'from-place'];
  ipBatch([`link add ${name} type veth peer name ${other} netns mb-${bed.id}-node`, `link set ${name} up`]);
  bed.onNode('ip', ['link', 'set', other, 'master', 'cni0', 'up']);
  ipBatch([`route add 10.244.${SUBNET}.0/24 dev ${name} src ${NODE_ADDRESS}`]);
}
