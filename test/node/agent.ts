/** The agent's pod, as seen from the node. */
import { readFileSync } from 'node:fs';
import { allProcesses } from '../bed/processes';
import { until } from '../kube/until';
import type { Kubectl } from './kubectl';
import { runningPods } from './pods';

const LABEL = 'app.kubernetes.io/name=merbridge-agent';
const PORT = 9464;

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
  const [agent] = await runningPods(kubectl, LABEL, 'kube-system');
  if (agent === undefined) throw new Error('no agent runs');
  const text = await (await fetch(`http://${agent.address}:${PORT}/metrics`)).text();
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
      throw new Error(`${String(error)}, but ${figures?.pods}`);
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

/** Waits until the DaemonSet's pods are ready, and have been since the last change of it. */
export function agentRolledOut(kubectl: Kubectl): Promise<string> {
  return kubectl.run('-n', 'kube-system', 'rollout', 'status', 'daemonset/merbridge-agent', '--timeout=120s');
}
