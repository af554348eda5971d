/** How requests are made, and what is known of each. */
import { join } from 'node:path';
import { APPLICATION_UID } from '../bed';
import { finished, spawn, type Finished } from '../bed/children';
import type { RunningPod } from './kubelet';

const TCP = join(__dirname, 'apps', 'tcp.py');
export const SERVICE = '10.96.7.7';
export const NAME = 'server.demo.svc.cluster.local';
/** Addresses beyond the cluster: the pod outside of the mesh has them. */
export const EGRESS = '198.51.100.7';
export const EXCLUDED_EGRESS = '203.0.113.9';

/** The first two as Istio injects them by itself, two with annotations, and one without a sidecar. */
export type PodName = 'client' | 'server' | 'ruled-client' | 'ruled-server' | 'outside';
export type Pods = Readonly<Record<PodName, RunningPod>>;

/** Path of what a client asks as it starts. */
export const startedBy = (pod: PodName): string => `/started-by-${pod}`;

/** At a client: what its application got as it started. */
export const AS_IT_STARTED = 'http://127.0.0.1:8080/as-it-started';

/** What the one who asked got. */
export interface Answer {
  /** 0 or the code of the error: curl's, or 1. */
  readonly code: number;
  readonly status?: number;
  readonly text: string;
}

export interface Request {
  readonly name: string;
  /** How it goes under iptables, as {@link brief} says it. */
  readonly expects: string;
  /** The two ends of mutual TLS, whose sidecars must have seen each other's identity. */
  readonly mutual?: readonly [client: PodName, server: PodName];
  /** What sidecars log of this path belongs to it; without, what they log meanwhile. */
  readonly path?: string;
  readonly ask: (pods: Pods) => Promise<Answer>;
}

/** How a request went, in a word. */
export function brief({ code, status }: Answer): string {
  if (code !== 0) return `error ${code}`;
  return status === undefined ? 'ok' : `${status}`;
}

type Run = (command: string, args: readonly string[]) => Promise<Finished>;

/** A program in a pod. */
export const inside =
  (pod: RunningPod): Run =>
  (command, args) =>
    pod.pod.run(command, args, { uid: APPLICATION_UID, timeoutMs: 10_000 });

/** A program of this process's cgroup and namespace: for the pods, another node. */
export const elsewhere: Run = (command, args) =>
  finished(spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: 10_000 }));

export async function curl(run: Run, url: string, address?: string): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const resolve = address === undefined ? [] : ['--resolve', `${hostname}:${port || 80}:${address}`];
  const args = [
    '-sS',
    '--max-time',
    '5',
    '--noproxy',
    '*',
    ...resolve,
    '-w',
    '\n%{http_code} %{remote_ip}:%{remote_port}',
  ];
  const { code, stdout } = await run('curl', [...args, url]);
  const at = stdout.lastIndexOf('\n');
  const [status, peer] = stdout.slice(at + 1).split(' ');
  return { code: code ?? -1, status: Number(status), text: `${stdout.slice(0, Math.max(at, 0))} peer ${peer}` };
}

export async function tcp(run: Run, host: string, port: number, text?: string): Promise<Answer> {
  const { code, stdout } = await run('python3', [TCP, host, `${port}`, ...(text === undefined ? [] : [text])]);
  return { code: code ?? -1, text: stdout.trim() };
}
