/**
 * Istio's own program for its rules, `pilot-agent istio-iptables`, which istio-init runs in a pod. PILOT_AGENT is its
 * path; `scripts/istio-programs.sh` builds it.
 */
import { spawnSync } from './children';
import type { IstioRules } from './istio-rules';
import type { Pod } from './pod';
import { CommandError, SYSTEM_PATH } from './shell';

/** Path of the program, or undefined on a machine without it. */
export function pilotAgent(): string | undefined {
  return process.env.PILOT_AGENT || undefined; // an empty one is none
}

/** Its arguments, or undefined if Istio has no such rules: other meshes have. */
export function istioIptablesArguments(options: IstioRules): string[] | undefined {
  const { tunnel = true, fromPassthrough = true } = options;
  if (!tunnel || !fromPassthrough) return undefined;
  const list = (entries: '*' | readonly (number | string)[]): string => (entries === '*' ? '*' : entries.join());
  return [
    ...['-p', '15001', '-z', '15006', '-m', 'REDIRECT'],
    ...['-u', `${options.uid ?? 1337}`, '-g', `${options.gid ?? 1337}`],
    ...['-b', list(options.includeInboundPorts ?? '*')],
    ...['-d', list(options.excludeInboundPorts ?? [15090, 15021, 15020])],
    ...['-i', list(options.includeOutboundRanges ?? '*')],
    ...['-x', list(options.excludeOutboundRanges ?? [])],
    ...['-q', list(options.includeOutboundPorts ?? [])],
    ...['-o', list(options.excludeOutboundPorts ?? [])],
    ...(options.dualStack ? ['--dual-stack'] : []),
    '--force-iptables-binary=nft', // what `iptables` is here; left alone it takes either, by what a namespace has
  ];
}

/** Runs it in a pod without such rules, as root and outside of the pod's cgroup. */
export function runIstioIptables(agent: string, pod: Pod, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const command = [`--net=${pod.netnsPath}`, '--', agent, 'istio-iptables', ...args];
  const run = spawnSync('nsenter', command, {
    encoding: 'utf8',
    cwd: pod.directory,
    env: { PATH: SYSTEM_PATH, ...env },
  });
  if (run.status !== 0) throw new CommandError(command.join(' '), run.status, run.stderr + run.stdout);
}
