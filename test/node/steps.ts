/** What happens to the node, in order: the agent comes, pods come and go, the agent is replaced and killed, all is removed. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { cgroup2Mount, cgroupProcesses } from '../bed/cgroup';
import { DAEMONSET } from '../kube/manifests';
import { until } from '../kube/until';
import { agentProcess, agentRolledOut, untilEnrolled } from './agent';
import { AGENT_IMAGE, NEXT_AGENT_IMAGE } from './images';
import type { Kubectl } from './kubectl';
import { NODE_NAME } from './kubernetes';
import { untilGone } from './leftovers';
import type { Node } from './node';
import { accessLog, onlyPod, runningPods } from './pods';
import { Probe } from './probe';
import { readmeCommands } from './readme';
import type { Report } from './report';
import { Watched } from './watched';
import { SIDECAR_CONFIG, deployment } from './workloads';

const MANIFEST = readFileSync(join(DAEMONSET, 'deploy/merbridge.yaml'), 'utf8');

export async function runSteps(node: Node, report: Report): Promise<void> {
  const { kubectl } = node;
  const { done } = report;
  await kubectl.apply([
    SIDECAR_CONFIG,
    deployment('client', true),
    deployment('server', true),
    deployment('web', false),
  ]);
  for (const app of ['client', 'server', 'web']) await rolledOut(kubectl, app);
  const [client, server] = [await onlyPod(kubectl, 'client'), await onlyPod(kubectl, 'server')];
  done('pods of three Deployments are ready: client and server, which stay, and web');

  const before = await Probe.run(kubectl, client, server, 2000);
  if (before.failures.length > 0) throw new Error(`without the library: ${JSON.stringify(before)}`);
  const log = await accessLog(kubectl, client); // has the kubelet's readiness probes as well
  if (log.some(({ destination }) => destination.startsWith(`${server.address}:`)))
    throw new Error('the sidecar has connections without the library');
  done(`without the library: ${before.probes} probes, 0 failed, none through a sidecar`);

  await kubectl.script(readmeCommands('Install'), DAEMONSET);
  await untilEnrolled(kubectl, 3);
  done('the agent is Ready: kubectl apply -f deploy/');

  const watched = await Watched.start(kubectl, report, client, server);
  await underProbe(node, watched);
  await removal(node, watched);
}

/** All that happens while the mesh is there. */
async function underProbe({ kubectl, server: apiServer }: Node, watched: Watched): Promise<void> {
  const step = watched.step.bind(watched);
  await step('two seconds of nothing', 3, () => setTimeout(2000));

  await step('web scaled to 4', 6, () => scale(kubectl, 4));
  await step('a probe from each', 6, () => probeFromAll(kubectl, watched));
  await step('web scaled to 1', 3, () => scale(kubectl, 1));
  await step('web rolled out anew', 3, async () => {
    await kubectl.run('rollout', 'restart', 'deployment/web');
    await rolledOut(kubectl, 'web');
  });
  await step('web evicted', 3, async () => {
    const { name } = await onlyPod(kubectl, 'web');
    await apiServer.request('POST', `/api/v1/namespaces/default/pods/${name}/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace: 'default' },
    });
    await until('another pod', async () => (await runningPods(kubectl, 'app=web')).some(pod => pod.name !== name));
    await rolledOut(kubectl, 'web');
  });
  await step('node drained', 2, async () => {
    await kubectl.run('drain', NODE_NAME, '--ignore-daemonsets', '--pod-selector=stable=false', '--timeout=60s');
  });
  await step('node uncordoned', 3, async () => {
    await kubectl.run('uncordon', NODE_NAME);
    await rolledOut(kubectl, 'web');
  });
  await step('agent upgraded', 3, async () => {
    await kubectl.apply(MANIFEST.replace(`image: ${AGENT_IMAGE}`, `image: ${NEXT_AGENT_IMAGE}`));
    await agentRolledOut(kubectl);
  });
  await step('agent downgraded', 3, async () => {
    await kubectl.apply(MANIFEST);
    await agentRolledOut(kubectl);
  });
  await step("agent's pod deleted", 3, async () => {
    const [agent] = await runningPods(kubectl, 'app.kubernetes.io/name=merbridge-agent', 'kube-system');
    await kubectl.run('-n', 'kube-system', 'delete', 'pod', agent!.name);
    await agentRolledOut(kubectl);
  });
  await step('kubectl delete -f deploy/, web scaled to 2, kubectl apply -f deploy/', 4, async () => {
    await kubectl.run('delete', '-f', join(DAEMONSET, 'deploy'));
    await until('no agent', () => agentProcess() === undefined);
    await scale(kubectl, 2);
    await kubectl.script(readmeCommands('Install'), DAEMONSET);
  });
  for (const time of ['once', 'twice', 'three times']) await step(`agent killed ${time}`, 4, () => killAgent(kubectl));
  await step('a probe from each', 4, () => probeFromAll(kubectl, watched));
  const events = await kubectl.run('get', 'events', '-A', '--field-selector=reason=FailedPreStopHook');
  if (events !== '') throw new Error(`a preStop hook missed the pins:\n${events}`);
}

/** As the README says, under the same probe; then the mesh is gone, and the probe goes on without it. */
async function removal({ kubectl }: Node, watched: Watched): Promise<void> {
  const { done } = watched.report;
  const { passed } = watched.probe.now;
  const printed = await kubectl.script(readmeCommands('Remove'), DAEMONSET);
  const count = await untilGone(printed);
  const after = watched.probe.now;
  await setTimeout(1000);
  const logged = await watched.logged();
  const { probes, slowest, stream } = await watched.end();
  done(
    `removed by the commands of the README: ${count} links, programs and maps, none is left in the kernel; ` +
      `${probes - passed} more probes, 0 failed`,
  );
  for (const [side, entries] of Object.entries(logged)) {
    if (entries < passed || entries > after.passed + 50)
      throw new Error(`${entries} ${side} in the log, not ${passed} to ${after.passed}`);
  }
  done(
    `the probe: ${probes} connections, 0 failed, the slowest in ${slowest} ms; ${logged.outbound} in the log of the client's sidecar, ` +
      `${logged.inbound} in the server's; ${stream.received} bytes of the lasting connection came back, all right`,
  );
  await kubectl.run('delete', 'deployments,configmaps', '--all', '--wait');
  const pods = `${cgroup2Mount()}/kubepods`;
  await until('no process in the cgroup of pods', () => cgroupProcesses(pods).length === 0);
  await until('no network namespace of a pod', () => readdirSync('/run/netns').length === 0);
  done('pods deleted: no process, no network namespace of theirs is left');
}

/** Waits until a Deployment has all its pods ready. */
function rolledOut(kubectl: Kubectl, app: string): Promise<string> {
  return kubectl.run('rollout', 'status', `deployment/${app}`, '--timeout=60s');
}

async function scale(kubectl: Kubectl, replicas: number): Promise<void> {
  await kubectl.run('scale', 'deployment/web', `--replicas=${replicas}`);
  await rolledOut(kubectl, 'web');
}

/** From each pod of web to the server: through its own sidecar. */
async function probeFromAll(kubectl: Kubectl, { server }: Watched): Promise<string> {
  const pods = await runningPods(kubectl, 'app=web');
  const counts = await Promise.all(
    pods.map(async pod => {
      const { probes, failures } = await Probe.run(kubectl, pod, server, 500);
      if (failures.length > 0 || probes === 0) throw new Error(`${pod.name}: ${JSON.stringify(failures)}`);
      await until(`${probes} connections in the log of ${pod.name}`, async () => {
        const log = await accessLog(kubectl, pod);
        return log.filter(({ side }) => side === 'outbound').length >= probes;
      });
      return probes;
    }),
  );
  return `${pods.length} pods, ${counts.reduce((sum, count) => sum + count)} connections, all in the logs of their sidecars`;
}

/** SIGKILL; the kubelet starts another, after a delay that doubles. */
async function killAgent(kubectl: Kubectl): Promise<void> {
  const pid = agentProcess();
  if (pid === undefined) throw new Error('no agent runs');
  process.kill(pid, 'SIGKILL');
  await until('another agent', () => ![undefined, pid].includes(agentProcess()), 120);
  await until('a Ready one', async () => {
    const [agent] = await runningPods(kubectl, 'app.kubernetes.io/name=merbridge-agent', 'kube-system');
    return (
      agent !== undefined &&
      (await fetch(`http://${agent.address}:9464/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ))
    );
  });
}
