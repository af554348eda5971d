/** The Pods as a user writes them, before Istio injects a sidecar. */
import { join } from 'node:path';
import type { PodRules } from 'merbridge';
import type { Manifest } from '../kube/manifests';
import { NODE } from './kubelet';
import { APPLICATION_UID } from '../bed';
import { NAME, SERVICE, startedBy, type PodName } from './requests';

/** Those with a sidecar. */
export const MESH_PODS = ['client', 'server', 'ruled-client', 'ruled-server'] as const;

/** What installation.yaml sets for all pods, as a user of the library repeats it: annotations do not show it. */
export const RULES: PodRules = { excludeOutboundPorts: [8082], excludeOutboundRanges: ['203.0.113.0/24'] };

const APP = join(__dirname, 'apps', 'app.mjs');

const ANNOTATIONS: Readonly<Partial<Record<PodName, Readonly<Record<string, string>>>>> = {
  'ruled-client': {
    'sidecar.istio.io/nativeSidecar': 'false',
    'proxy.istio.io/config': '{ "holdApplicationUntilProxyStarts": true }',
    'traffic.sidecar.istio.io/excludeOutboundPorts': '9000',
    'traffic.sidecar.istio.io/excludeOutboundIPRanges': '198.51.100.0/24',
  },
  'ruled-server': {
    'traffic.sidecar.istio.io/excludeInboundPorts': '8081,9000',
    'traffic.sidecar.istio.io/includeOutboundIPRanges': '10.96.0.0/16',
  },
};

export function podManifest(name: PodName): Manifest {
  // Clients send a request as they start: their sidecar has to be there first.
  const first = name.endsWith('client') ? [SERVICE, NAME, startedBy(name)] : [];
  const app = {
    name: 'app',
    image: 'app',
    command: [process.execPath, APP, ...first],
    securityContext: { runAsUser: APPLICATION_UID },
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: name === 'outside' ? 'outside' : 'demo',
      labels: { app: name },
      annotations: ANNOTATIONS[name] ?? {},
    } as Manifest['metadata'],
    spec: { nodeName: NODE, serviceAccountName: name, containers: [app] },
  };
}
