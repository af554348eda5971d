/** The requests that every way of redirection has to carry as iptables does. */
import {
  AS_IT_STARTED,
  EGRESS,
  EXCLUDED_EGRESS,
  NAME,
  SERVICE,
  curl,
  elsewhere,
  inside,
  startedBy,
  tcp,
  type Request,
} from './requests';

const URL = `http://${NAME}`;
const service = (path: string): readonly [string, string] => [`${URL}/${path}`, SERVICE];
const MUTUAL = ['client', 'server'] as const;
const RESET = 'error 56';

/** In this order: the first one is the first of its sidecars, but for what the applications sent as they started. */
export const REQUESTS: readonly Request[] = [
  {
    name: 'first request to this server',
    expects: '200',
    mutual: ['ruled-server', 'server'],
    ask: p => curl(inside(p['ruled-server']), ...service('first')),
  },
  {
    name: 'by ClusterIP',
    expects: '200',
    mutual: MUTUAL,
    ask: p => curl(inside(p.client), ...service('service')),
  },
  {
    name: 'by ClusterIP, pooled',
    expects: '200',
    mutual: MUTUAL,
    ask: p => curl(inside(p.client), ...service('pooled')),
  },
  {
    name: 'AuthorizationPolicy: denied',
    expects: '403',
    mutual: MUTUAL,
    ask: p => curl(inside(p.client), ...service('denied')),
  },
  {
    name: 'AuthorizationPolicy: another identity',
    expects: '200',
    mutual: ['ruled-client', 'server'],
    ask: p => curl(inside(p['ruled-client']), ...service('denied')),
  },
  {
    // A pod is in no route of Istio's: it goes in plain text, which STRICT refuses.
    name: 'by pod IP',
    expects: '503',
    ask: p => curl(inside(p.client), `http://${p.server.address}:8080/pod`),
  },
  {
    name: 'headless',
    expects: '200',
    mutual: MUTUAL,
    ask: p => curl(inside(p.client), 'http://headless.demo.svc.cluster.local:8080/headless', p.server.address),
  },
  {
    name: 'own Service',
    expects: '200',
    mutual: ['server', 'server'],
    ask: p => curl(inside(p.server), ...service('own-service')),
  },
  { name: 'own pod IP', expects: '200', ask: p => curl(inside(p.server), `http://${p.server.address}:8080/own-pod`) },
  { name: '127.0.0.1', expects: '200', ask: p => curl(inside(p.server), 'http://127.0.0.1:8080/loopback') },
  { name: 'TCP', expects: 'ok', mutual: MUTUAL, ask: p => tcp(inside(p.client), SERVICE, 9000, 'echo') },
  { name: 'TCP by pod IP', expects: 'error 1', ask: p => tcp(inside(p.client), p.server.address, 9000, 'echo') },
  { name: 'server speaks first', expects: 'ok', mutual: MUTUAL, ask: p => tcp(inside(p.client), SERVICE, 9001) },
  {
    name: 'a port in no Service',
    expects: RESET,
    ask: p => curl(inside(p.client), `http://${p.server.address}:8081/no-service`),
  },
  {
    name: 'a port that nobody listens on',
    expects: RESET,
    ask: p => curl(inside(p.client), `http://${p.server.address}:4444/`),
  },
  { name: 'egress', expects: '200', ask: p => curl(inside(p.client), `http://${EGRESS}:8080/egress`) },
  {
    name: 'to a pod outside the mesh',
    expects: '200',
    ask: p => curl(inside(p.client), `http://${p.outside.address}:8080/outside`),
  },
  {
    name: '15021 from another pod',
    expects: '200',
    ask: p => curl(inside(p.client), `http://${p.server.address}:15021/healthz/ready`),
  },
  {
    name: '15021 from the node',
    expects: '200',
    ask: p => curl(elsewhere, `http://${p.server.address}:15021/healthz/ready`),
  },
  {
    name: 'plain text from a pod outside',
    expects: RESET,
    ask: p => curl(inside(p.outside), `http://${p.server.address}:8080/plain`),
  },
  {
    name: 'plain text from the node',
    expects: RESET,
    ask: p => curl(elsewhere, `http://${p.server.address}:8080/plain`),
  },
];

/** What annotations of pods and values of the installation change. */
export const RULED: readonly Request[] = [
  {
    name: 'native sidecar: as the application starts',
    expects: '200',
    mutual: MUTUAL,
    path: startedBy('client'),
    ask: p => curl(inside(p.client), AS_IT_STARTED),
  },
  {
    name: 'holdApplicationUntilProxyStarts: as it starts',
    expects: '200',
    mutual: ['ruled-client', 'server'],
    path: startedBy('ruled-client'),
    ask: p => curl(inside(p['ruled-client']), AS_IT_STARTED),
  },
  {
    name: 'annotated pod, by ClusterIP',
    expects: '200',
    mutual: ['ruled-client', 'server'],
    ask: p => curl(inside(p['ruled-client']), ...service('ruled')),
  },
  {
    name: 'value excludeOutboundPorts',
    expects: '200',
    ask: p => curl(inside(p.client), `http://${p.outside.address}:8082/value`),
  },
  {
    name: 'value excludeIPRanges',
    expects: '200',
    ask: p => curl(inside(p.client), `http://${EXCLUDED_EGRESS}:8080/value`),
  },
  {
    name: 'value excludeOutboundPorts, to a sidecar',
    expects: RESET,
    ask: p => curl(inside(p.client), `http://${p.server.address}:8082/value`),
  },
  {
    name: 'an annotation replaces the value',
    expects: '200',
    ask: p => curl(inside(p['ruled-client']), `http://${p.outside.address}:8082/replaced`),
  },
  {
    name: 'excludeOutboundPorts, excludeInboundPorts',
    expects: 'ok',
    ask: p => tcp(inside(p['ruled-client']), p['ruled-server'].address, 9000, 'excluded'),
  },
  {
    name: 'excludeOutboundPorts, to a sidecar',
    expects: 'error 1',
    ask: p => tcp(inside(p['ruled-client']), p.server.address, 9000, 'excluded'),
  },
  {
    name: 'excludeInboundPorts',
    expects: '200',
    ask: p => curl(inside(p.client), `http://${p['ruled-server'].address}:8081/excluded`),
  },
  {
    name: 'excludeOutboundIPRanges',
    expects: '200',
    ask: p => curl(inside(p['ruled-client']), `http://${EGRESS}:8080/excluded`),
  },
  {
    name: 'includeOutboundIPRanges: not in it',
    expects: '200',
    ask: p => curl(inside(p['ruled-server']), `http://${p.outside.address}:8080/not-included`),
  },
];

export const WITHOUT_ISTIOD: readonly Request[] = [
  { name: 'istiod is away', expects: '200', mutual: MUTUAL, ask: p => curl(inside(p.client), ...service('away')) },
];

export const AFTER_ISTIOD: readonly Request[] = [
  { name: 'istiod restarted', expects: '200', mutual: MUTUAL, ask: p => curl(inside(p.client), ...service('back')) },
];

/** After the sidecars were killed and started anew: first the server's, then the client's. */
export const AFTER_SERVER: readonly Request[] = [
  {
    name: "server's sidecar restarted",
    expects: '200',
    mutual: MUTUAL,
    ask: p => curl(inside(p.client), ...service('anew')),
  },
  { name: 'the same, TCP', expects: 'ok', mutual: MUTUAL, ask: p => tcp(inside(p.client), SERVICE, 9000, 'anew') },
];

export const AFTER_CLIENT: readonly Request[] = [
  {
    name: "client's sidecar restarted",
    expects: '200',
    mutual: MUTUAL,
    ask: p => curl(inside(p.client), ...service('again')),
  },
];

export const ALL: readonly Request[] = [
  ...REQUESTS,
  ...RULED,
  ...WITHOUT_ISTIOD,
  ...AFTER_ISTIOD,
  ...AFTER_SERVER,
  ...AFTER_CLIENT,
];
