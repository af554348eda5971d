/** The agent's pod, as seen from the node. */
import { readFileSync } from 'node:fs';
import { allProcesses } from '../bed/processes';
import { patienceFor } from '../bed/slowness';
import { documentedCapabilities } from '../kube/manifests';
import { until } from '../kube/until';
import type { Kubectl } from './kubectl';
import { type RunningPod, runningPods } from './pods';

export const AGENT_LABEL = 'app.kubernetes.io/name=merbridge-agent';
const PORT = 9464;

/** One request to it. */
function ask({ address }: RunningPod, path: string): Promise<Response> {
  return fetch(`http://${address}:${PORT}${path}`, { signal: AbortSignal.timeout(patienceFor(5000)) });
}

/** What its metrics say. */
export interface AgentFigures {
  /** Addresses of enrolled pods. */
  readonly pods: number;
  /** Connections that programs redirected to a sidecar, of the pod itself and of another. */
  readonly outbound: number;
  readonly inbound: number;
  /** Messages that went from socket to socket. */
  readonly messages: number;
}

/** Reads its /metrics. They are of the kernel's maps, so they go on from agent to agent. */
export async function agentFigures(kubectl: Kubectl): Promise<AgentFigures> {
  const [agent] = await runningPods(kubectl, AGENT_LABEL, 'kube-system');
  if (agent === undefined) throw new Error('no agent runs');
  const text = await (await ask(agent, '/metrics')).text();
  const value = (name: string): number => {
    const [, found] = new RegExp(`^${name} (\\S+)$`, 'm').exec(text) ?? [];
    if (found === undefined) throw new Error(`the agent has no metric ${name}:\n${text}`);
    return Number(found);
  };
  return {
    pods: value('merbridge_pods'),
    outbound: value('merbridge_connections_total\\{direction="outbound",verdict="redirected"\\}'),
    inbound: value('merbridge_connections_total\\{direction="inbound",verdict="redirected"\\}'),
    messages: value('merbridge_redirected_messages_total'),
  };
}

/** Waits until so many pods are enrolled. */
export async function untilEnrolled(kubectl: Kubectl, count: number): Promise<AgentFigures> {
  let figures: AgentFigures | undefined;
  await until(`${count} enrolled pods`, async () => (figures = await agentFigures(kubectl)).pods === count).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}, but ${figures?.pods}`, { cause: error });
    },
  );
  return figures!;
}

/** Its process. All processes here are of this node: the namespace is its own. */
export function agentProcess(): number | undefined {
  return allProcesses().find(pid => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith('\0agent.js\0');
    } catch {
      return false; // it has ended
    }
  });
}

/** Bits of capabilities(7). */
const CAPABILITIES: Readonly<Record<string, bigint>> = { CAP_NET_ADMIN: 12n, CAP_PERFMON: 38n, CAP_BPF: 39n };

/** Checks that the runtime gave it the privileges of the manifest and no other, and says which. */
export function agentPrivileges(): string {
  const status = readFileSync(`/proc/${agentProcess()}/status`, 'utf8');
  const value = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)$`, 'm').exec(status)?.[1] ?? '';
  const wanted = documentedCapabilities().reduce((set, name) => set | (1n << CAPABILITIES[name]!), 0n);
  if (BigInt(`0x${value('CapEff')}`) !== wanted || value('Seccomp') !== '2' || value('NoNewPrivs') !== '1')
    throw new Error(`the agent has other privileges than its manifest says:\n${status}`);
  return `${documentedCapabilities().join(', ')} alone, under the runtime's seccomp filter`;
}

/** Whether a probe of the kubelet would find it ready. */
export async function agentReady(kubectl: Kubectl): Promise<boolean> {
  const [agent] = await runningPods(kubectl, AGENT_LABEL, 'kube-system');
  if (agent === undefined) return false;
  return ask(agent, '/readyz').then(
    ({ ok }) => ok,
    () => false, // it does not listen yet
  );
}

/** Waits until the DaemonSet's pods are ready, and have been since the last change of it. */
export function agentRolledOut(kubectl: Kubectl): Promise<string> {
  return kubectl.run('-n', 'kube-system', 'rollout', 'status', 'daemonset/merbridge-agent', '--timeout=120s');
}
