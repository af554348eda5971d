/** What runs on the node beside the agent: pods with a sidecar, as Istio's injection marks them, by Deployments. */
import { envoyConfig, envoyFlags } from '../bed/envoy';
import { istioRules } from '../bed/istio-rules';
import { INBOUND_PORT, OUTBOUND_PORT, SIDECAR_UID, type SidecarPlan } from '../bed/sidecar';
import { APPLICATION_UID } from '../bed/web-server';
import { APPLICATION_IMAGE, SIDECAR_IMAGE } from './images';

/** Where the application echoes. */
export const ECHO_PORT = 9000;
export const SIDECAR = 'istio-proxy';
export const APPLICATION = 'application';
/** Where Istio's sidecars say that they are ready. It is never redirected. */
const READY_PORT = 15021;

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

const READY = { admin: { address: { socket_address: { address: '0.0.0.0', port_value: READY_PORT } } } };

/** Configuration of all sidecars. */
export const SIDECAR_CONFIG = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'sidecar', namespace: 'default' },
  data: { 'envoy.json': envoyConfig(PLAN), rules: istioRules() },
};

const volumeMounts = [{ name: 'config', mountPath: '/etc/sidecar' }];

/** What istio-init does. */
const RULES = {
  name: 'istio-init',
  image: SIDECAR_IMAGE,
  command: ['iptables-restore', '/etc/sidecar/rules'],
  securityContext: { capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] } },
  volumeMounts,
};

/** How the pods of a Deployment differ. */
export interface DeploymentOptions {
  /** The run leaves them alone, because a probe goes through them. */
  readonly stable?: boolean;
  /** With Istio's rules in iptables. */
  readonly rules?: boolean;
}

/** A Deployment of one pod that echoes. */
export function deployment(name: string, { stable = false, rules = false }: DeploymentOptions = {}): object {
  const labels = { app: name, stable: `${stable}` };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { 'sidecar.istio.io/status': '{}' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          initContainers: rules ? [RULES] : [],
          containers: [
            {
              name: APPLICATION,
              image: APPLICATION_IMAGE,
              command: ['node', 'server.mjs', '--mode', 'echo', '--port', `${ECHO_PORT}`],
              securityContext: { runAsUser: APPLICATION_UID, runAsGroup: APPLICATION_UID },
              readinessProbe: { tcpSocket: { port: ECHO_PORT }, periodSeconds: 1 },
            },
            {
              name: SIDECAR,
              image: SIDECAR_IMAGE,
              command: [
                'envoy',
                '-c',
                '/etc/sidecar/envoy.json',
                '--config-yaml',
                JSON.stringify(READY),
                ...envoyFlags(PLAN),
              ],
              securityContext: { runAsUser: SIDECAR_UID, runAsGroup: SIDECAR_UID },
              readinessProbe: { httpGet: { path: '/ready', port: READY_PORT }, periodSeconds: 1 },
              volumeMounts,
            },
          ],
          volumes: [{ name: 'config', configMap: { name: 'sidecar' } }],
        },
      },
    },
  };
}
