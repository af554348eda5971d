/** The node's network: a namespace with the bridge on which the pods are. */
import { ipBatch, sh } from '../bed/shell';
import { API_SERVICE } from '../kube/real-server';

export const BRIDGE = 'cni0';
/** Of the node, and the gateway of its pods. */
export const NODE_ADDRESS = '10.244.9.1';
export const POD_NETWORK = '10.244.9.0/24';

/** Sets up the namespace of this process. The bridge is there before the first pod: it has the node's address. */
export function createNetwork(): void {
  ipBatch([
    'link set lo up',
    `link add ${BRIDGE} type bridge`,
    `addr add ${NODE_ADDRESS}/24 dev ${BRIDGE}`,
    `link set ${BRIDGE} up`,
  ]);
}

/** What kube-proxy would do for the one Service that the agent needs. */
export function routeApiService(port: number): void {
  const rule = ['-d', API_SERVICE, '-p', 'tcp', '--dport', '443', '-j', 'DNAT', '--to', `${NODE_ADDRESS}:${port}`];
  sh('iptables', ['-t', 'nat', '-A', 'PREROUTING', ...rule]);
}

/** The CNI configuration. */
export const CNI_CONFIG = {
  cniVersion: '0.4.0',
  name: 'node',
  plugins: [
    {
      type: 'bridge',
      bridge: BRIDGE,
      isGateway: true,
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: POD_NETWORK, rangeStart: '10.244.9.10', gateway: NODE_ADDRESS }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
    { type: 'loopback' },
  ],
};
