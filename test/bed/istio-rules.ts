import { istioIptablesArguments, pilotAgent, runIstioIptables } from './istio-iptables';
import type { Pod } from './pod';

/** What Istio's annotations and settings can change; the defaults are Istio's. */
export interface IstioRules {
  readonly uid?: number;
  readonly gid?: number;
  /** All (default) or these, none if it is empty; given a list, the excluded ones do not matter. */
  readonly includeInboundPorts?: '*' | readonly number[];
  readonly excludeInboundPorts?: readonly number[];
  /** Redirected whatever their address. */
  readonly includeOutboundPorts?: readonly number[];
  readonly excludeOutboundPorts?: readonly number[];
  readonly includeOutboundRanges?: '*' | readonly string[];
  readonly excludeOutboundRanges?: readonly string[];
  /** Also for IPv6, as Istio does in a pod that has an IPv6 address (default false). */
  readonly dualStack?: boolean;
  /** Whether the tunnel port is let through (default true, as Istio does). */
  readonly tunnel?: boolean;
  /** Whether what comes from the passthrough address is let through (default true, as Istio does). */
  readonly fromPassthrough?: boolean;
}

interface Family {
  readonly passthrough: string;
  readonly loopback: string;
  readonly tool: 'iptables' | 'ip6tables';
}

const V4: Family = { passthrough: '127.0.0.6/32', loopback: '127.0.0.1/32', tool: 'iptables' };
const V6: Family = { passthrough: '::6/128', loopback: '::1/128', tool: 'ip6tables' };

/**
 * The rules that istio-init writes into a pod (REDIRECT mode, everything captured), in its order.
 *
 * They are the reference: whatever the eBPF datapath decides about a connection, these decide it first.
 */
export function istioRules(options: IstioRules = {}, family: Family = V4): string {
  const {
    uid = 1337,
    gid = 1337,
    includeInboundPorts = '*',
    excludeInboundPorts = [15090, 15021, 15020],
    includeOutboundPorts = [],
    excludeOutboundPorts = [],
    includeOutboundRanges = '*',
    excludeOutboundRanges = [],
    tunnel = true,
    fromPassthrough = true,
  } = options;
  const { passthrough, loopback } = family;
  const ofFamily = (ranges: readonly string[]): string[] => ranges.filter(r => r.includes(':') === (family === V6));
  // Who includes a range that begins with a loopback address, of either family, wants local connections of applications
  // redirected.
  const includesLoopback =
    includeOutboundRanges !== '*' && includeOutboundRanges.some(range => /^(127\.|::1\/)/.test(range));
  const owner = (kind: 'uid' | 'gid', id: number): string[] => [
    `-A ISTIO_OUTPUT -o lo ! -d ${loopback} -p tcp${tunnel ? ' ! --dport 15008' : ''} -m owner --${kind}-owner ${id} -j ISTIO_IN_REDIRECT`,
    ...(includesLoopback ? [] : [`-A ISTIO_OUTPUT -o lo -m owner ! --${kind}-owner ${id} -j RETURN`]),
    `-A ISTIO_OUTPUT -m owner --${kind}-owner ${id} -j RETURN`,
  ];
  return [
    '*nat',
    ':ISTIO_INBOUND - [0:0]',
    ':ISTIO_REDIRECT - [0:0]',
    ':ISTIO_IN_REDIRECT - [0:0]',
    ':ISTIO_OUTPUT - [0:0]',
    ...(tunnel ? ['-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN'] : []),
    '-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001',
    '-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006',
    ...(includeInboundPorts.length > 0 ? ['-A PREROUTING -p tcp -j ISTIO_INBOUND'] : []),
    ...(includeInboundPorts === '*'
      ? [
          ...excludeInboundPorts.map(port => `-A ISTIO_INBOUND -p tcp --dport ${port} -j RETURN`),
          '-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT',
        ]
      : includeInboundPorts.map(port => `-A ISTIO_INBOUND -p tcp --dport ${port} -j ISTIO_IN_REDIRECT`)),
    '-A OUTPUT -j ISTIO_OUTPUT',
    ...excludeOutboundPorts.flatMap(port => [
      `-A ISTIO_OUTPUT -p tcp --dport ${port} -j RETURN`,
      `-A ISTIO_OUTPUT -p udp --dport ${port} -j RETURN`,
    ]),
    ...(fromPassthrough ? [`-A ISTIO_OUTPUT -o lo -s ${passthrough} -j RETURN`] : []),
    ...owner('uid', uid),
    ...owner('gid', gid),
    `-A ISTIO_OUTPUT -d ${loopback} -j RETURN`,
    ...ofFamily(excludeOutboundRanges).map(range => `-A ISTIO_OUTPUT -d ${range} -j RETURN`),
    ...includeOutboundPorts.map(port => `-A ISTIO_OUTPUT -p tcp --dport ${port} -j ISTIO_REDIRECT`),
    ...(includeOutboundRanges === '*'
      ? ['-A ISTIO_OUTPUT -j ISTIO_REDIRECT']
      : ofFamily(includeOutboundRanges).map(range => `-A ISTIO_OUTPUT -d ${range} -j ISTIO_REDIRECT`)),
    'COMMIT',
    '',
  ].join('\n');
}

/**
 * Puts Istio's redirection into a pod, replacing an earlier one. Everything stays inside its network namespace.
 *
 * Istio's own program writes it where there is one; `istio-iptables.test.ts` holds {@link istioRules} equal to it.
 */
export function applyIstioRules(pod: Pod, options: IstioRules = {}): void {
  removeIstioRules(pod);
  const [agent, args] = [pilotAgent(), istioIptablesArguments(options)];
  if (agent !== undefined && args !== undefined) runIstioIptables(agent, pod, args);
  else applyCommittedRules(pod, options);
}

/** Puts {@link istioRules} into a pod that has none. */
export function applyCommittedRules(pod: Pod, options: IstioRules = {}): void {
  for (const family of options.dualStack ? [V4, V6] : [V4]) {
    pod.admin(`${family.tool}-restore`, ['--noflush'], istioRules(options, family));
  }
  if (options.dualStack) pod.admin('ip', ['addr', 'replace', V6.passthrough, 'dev', 'lo', 'nodad']);
}

/**
 * The same in one process, for IPv4: the pod's nat table holds these rules afterwards and no others.
 *
 * For tests that change the rules often.
 */
export function replaceIstioRules(pod: Pod, options: IstioRules = {}): void {
  pod.admin('iptables-restore', [], istioRules(options));
}

/**
 * Takes Istio's rules out of a pod and leaves any others in place.
 *
 * With the last rule the kernel stops tracking connections there, so a benchmark of the eBPF path does not pay for the
 * other one. Connections that were tracked before keep their translation until they close.
 */
export function removeIstioRules(pod: Pod): void {
  for (const { tool } of [V4, V6]) {
    const rules = pod.admin(`${tool}-save`, ['-t', 'nat']);
    if (!rules.includes('ISTIO_')) continue;
    pod.admin(
      `${tool}-restore`,
      [],
      rules
        .split('\n')
        .filter(line => !line.includes('ISTIO_'))
        .join('\n'),
    );
  }
}
