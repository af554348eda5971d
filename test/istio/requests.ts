/** The requests that every way of redirection has to carry as iptables does. */
import { join } from 'node:path';
import { APPLICATION_UID } from '../bed';
import { spawn } from '../bed/children';
import type { RunningPod } from './kubelet';

const TCP = join(__dirname, 'apps', 'tcp.py');
export const SERVICE = '10.96.7.7';
/** An address beyond the cluster: the pod outside of the mesh has it. */
export const EGRESS = '198.51.100.7';

export interface Pods {
  readonly client: RunningPod;
  readonly server: RunningPod;
  /** No sidecar, but of the same node. */
  readonly outside: RunningPod;
}

/** What the one who asked got. */
export interface Answer {
  /** 0 or the code of the error: curl's, or 1. */
  readonly code: number;
  readonly status?: number;
  readonly text: string;
}

export interface Request {
  readonly name: string;
  readonly ask: (pods: Pods) => Promise<Answer>;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
}
type Run = (command: string, args: readonly string[]) => Promise<Ended>;

const inside =
  (pod: RunningPod): Run =>
  (command, args) =>
    pod.pod.run(command, args, { uid: APPLICATION_UID, timeoutMs: 10_000 });

/** A program of this process's cgroup and namespace: for the pods, another node. */
const elsewhere: Run = (command, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: 10_000 });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.once('error', reject).once('close', code => resolve({ code, stdout }));
  });

async function curl(run: Run, url: string, address?: string): Promise<Answer> {
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

async function tcp(run: Run, host: string, port: number, text?: string): Promise<Answer> {
  const { code, stdout } = await run('python3', [TCP, host, `${port}`, ...(text === undefined ? [] : [text])]);
  return { code: code ?? -1, text: stdout.trim() };
}

const NAME = 'server.demo.svc.cluster.local';
const SERVER_URL = `http://${NAME}`;

/** In this order: the first one is the first of its sidecars. */
export const REQUESTS: readonly Request[] = [
  { name: 'first request of fresh sidecars', ask: p => curl(inside(p.client), `${SERVER_URL}/first`, SERVICE) },
  { name: 'by ClusterIP', ask: p => curl(inside(p.client), `${SERVER_URL}/service`, SERVICE) },
  { name: 'by ClusterIP, pooled', ask: p => curl(inside(p.client), `${SERVER_URL}/pooled`, SERVICE) },
  { name: 'by pod IP', ask: p => curl(inside(p.client), `http://${p.server.address}:8080/pod`) },
  {
    name: 'headless',
    ask: p => curl(inside(p.client), 'http://headless.demo.svc.cluster.local:8080/headless', p.server.address),
  },
  { name: 'own Service', ask: p => curl(inside(p.server), `${SERVER_URL}/own-service`, SERVICE) },
  { name: 'own pod IP', ask: p => curl(inside(p.server), `http://${p.server.address}:8080/own-pod`) },
  { name: '127.0.0.1', ask: p => curl(inside(p.server), 'http://127.0.0.1:8080/loopback') },
  { name: 'TCP', ask: p => tcp(inside(p.client), SERVICE, 9000, 'echo') },
  { name: 'TCP by pod IP', ask: p => tcp(inside(p.client), p.server.address, 9000, 'echo') },
  { name: 'server speaks first', ask: p => tcp(inside(p.client), SERVICE, 9001) },
  { name: 'a port in no Service', ask: p => curl(inside(p.client), `http://${p.server.address}:8081/no-service`) },
  { name: 'a port that nobody listens on', ask: p => curl(inside(p.client), `http://${p.server.address}:4444/`) },
  { name: 'egress', ask: p => curl(inside(p.client), `http://${EGRESS}:8080/egress`) },
  { name: 'to a pod outside the mesh', ask: p => curl(inside(p.client), `http://${p.outside.address}:8080/outside`) },
  {
    name: '15021 from another pod',
    ask: p => curl(inside(p.client), `http://${p.server.address}:15021/healthz/ready`),
  },
  { name: '15021 from the node', ask: p => curl(elsewhere, `http://${p.server.address}:15021/healthz/ready`) },
  { name: 'plain text from a pod outside', ask: p => curl(inside(p.outside), `http://${p.server.address}:8080/plain`) },
  { name: 'plain text from the node', ask: p => curl(elsewhere, `http://${p.server.address}:8080/plain`) },
];

/** While istiod is away, and after it came back. */
export const WITHOUT_ISTIOD: readonly Request[] = [
  { name: 'istiod is away', ask: p => curl(inside(p.client), `${SERVER_URL}/away`, SERVICE) },
];
export const AFTER_ISTIOD: readonly Request[] = [
  { name: 'istiod restarted', ask: p => curl(inside(p.client), `${SERVER_URL}/restarted`, SERVICE) },
];
export const AFTER_SIDECAR: readonly Request[] = [
  { name: "server's sidecar restarted", ask: p => curl(inside(p.client), `${SERVER_URL}/anew`, SERVICE) },
  { name: 'the same, TCP', ask: p => tcp(inside(p.client), SERVICE, 9000, 'anew') },
];
