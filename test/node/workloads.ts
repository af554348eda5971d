/** What runs on the node beside the agent: pods with a sidecar, as Istio's injection marks them, by Deployments. */
import { envoyConfig, envoyFlags } from '../bed/envoy';
import { INBOUND_PORT, OUTBOUND_PORT, SIDECAR_UID, type SidecarPlan } from '../bed/sidecar';
import { APPLICATION_UID } from '../bed/web-server';
import { APPLICATION_IMAGE, SIDECAR_IMAGE } from './images';

/** Where the application echoes. */
export const ECHO_PORT = 9000;
export const SIDECAR = 'istio-proxy';
export const APPLICATION = 'application';

/** Istio's listeners; the access log is the container's standard output. */
const PLAN: SidecarPlan = {
  mode: 'tcp',
  listen: '0.0.0.0',
  threads: 1,
  services: {},
  log: true,
  splice: false,
  connectSeconds: 5,
  backlog: 1024,
  outboundPort: OUTBOUND_PORT,
  inboundPort: INBOUND_PORT,
  logPath: '/dev/stdout',
};

/** Configuration of all sidecars. */
export const SIDECAR_CONFIG = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'sidecar', namespace: 'default' },
  data: { 'envoy.json': envoyConfig(PLAN) },
};

/** A Deployment whose pods echo. `stable`: pods that the run leaves alone, because a probe goes through them. */
export function deployment(name: string, stable: boolean, replicas = 1): object {
  const labels = { app: name, stable: `${stable}` };
  const probe = (port: number): object => ({ tcpSocket: { port }, periodSeconds: 1 });
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { 'sidecar.istio.io/status': '{}' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          containers: [
            {
              name: APPLICATION,
              image: APPLICATION_IMAGE,
              command: ['node', 'server.mjs', '--mode', 'echo', '--port', `${ECHO_PORT}`],
              securityContext: { runAsUser: APPLICATION_UID, runAsGroup: APPLICATION_UID },
              readinessProbe: probe(ECHO_PORT),
            },
            {
              name: SIDECAR,
              image: SIDECAR_IMAGE,
              command: ['envoy', '-c', '/etc/envoy/envoy.json', ...envoyFlags(PLAN)],
              securityContext: { runAsUser: SIDECAR_UID, runAsGroup: SIDECAR_UID },
              readinessProbe: probe(OUTBOUND_PORT),
              volumeMounts: [{ name: 'config', mountPath: '/etc/envoy' }],
            },
          ],
          volumes: [{ name: 'config', configMap: { name: 'sidecar' } }],
        },
      },
    },
  };
}
