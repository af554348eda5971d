/** What happens to the node, in order. */
import { setTimeout } from 'node:timers/promises';
import { DAEMONSET } from '../kube/manifests';
import { until } from '../kube/until';
import { agentPrivileges, untilEnrolled } from './agent';
import { agentSteps } from './agent-steps';
import type { Kubectl } from './kubectl';
import { NODE_NAME } from './kubernetes';
import type { Node } from './node';
import { Pair } from './pair';
import { accessLog, onlyPod, rolledOut, runningPods, scale } from './pods';
import { Probe } from './probe';
import { readmeCommands } from './readme';
import { removal, removalByJob } from './removal';
import type { Report } from './report';
import { Watched } from './watched';
import { SIDECAR_CONFIG, deployment } from './workloads';

export async function runSteps(node: Node, report: Report): Promise<void> {
  const { kubectl } = node;
  const { done } = report;
  const apps = ['plain-client', 'plain-server', 'ruled-client', 'ruled-server'];
  await kubectl.apply([
    SIDECAR_CONFIG,
    deployment('web'),
    ...apps.map(name => deployment(name, { stable: true, rules: name.startsWith('ruled') })),
  ]);
  for (const app of ['web', ...apps]) await rolledOut(kubectl, app);
  const [plain, ruled] = [await Pair.of(kubectl, 'plain'), await Pair.of(kubectl, 'ruled')];
  done("pods of five Deployments are ready: web, a pair without rules, a pair with Istio's rules in iptables");

  const [before, beforeRuled] = [await withoutLibrary(plain), await withoutLibrary(ruled)];
  if ((await plain.logged()).outbound > 0) throw new Error('without rules and library, a sidecar had the connections');
  await ruled.untilLogged(beforeRuled);
  done(`without the library: ${before} probes through no sidecar, ${beforeRuled} through both by the rules, 0 failed`);

  await kubectl.script(readmeCommands('Install'), DAEMONSET);
  await untilEnrolled(kubectl, 5);
  done(`the agent is Ready (kubectl apply -f deploy/), with ${agentPrivileges()}`);

  const watched = await Watched.start(kubectl, report, [plain, ruled]);
  await podSteps(node, watched);
  await agentSteps(kubectl, watched);
  await watched.step('a probe from each pod of web', 6, () => probeFromAll(kubectl, plain));
  await removal(kubectl, watched, beforeRuled);
  await removalByJob(kubectl, report);
}

/** Returns the number of probes. */
async function withoutLibrary({ kubectl, client, server }: Pair): Promise<number> {
  const { probes, failures } = await Probe.run(kubectl, client, server, 2000);
  if (failures.length > 0) throw new Error(`without the library: ${JSON.stringify(failures)}`);
  return probes;
}

/** Pods come and go. */
async function podSteps({ kubectl, server }: Node, watched: Watched): Promise<void> {
  const step = watched.step.bind(watched);
  await step('two seconds of nothing', 5, () => setTimeout(2000));
  await step('web scaled to 4', 8, () => scale(kubectl, 4));
  await step('a probe from each pod of web', 8, () => probeFromAll(kubectl, watched.pairs[0]!));
  await step('web scaled to 1', 5, () => scale(kubectl, 1));
  await step('web rolled out anew', 5, async () => {
    await kubectl.run('rollout', 'restart', 'deployment/web');
    await rolledOut(kubectl, 'web');
  });
  await step('web evicted', 5, async () => {
    const { name } = await onlyPod(kubectl, 'web');
    await server.request('POST', `/api/v1/namespaces/default/pods/${name}/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace: 'default' },
    });
    await until('another pod', async () => (await runningPods(kubectl, 'app=web')).some(pod => pod.name !== name));
    await rolledOut(kubectl, 'web');
  });
  await step('node drained', 4, async () => {
    await kubectl.run('drain', NODE_NAME, '--ignore-daemonsets', '--pod-selector=stable=false', '--timeout=60s');
  });
  await step('node uncordoned', 5, async () => {
    await kubectl.run('uncordon', NODE_NAME);
    await rolledOut(kubectl, 'web');
  });
}

/** From each pod of web to a server: through its own sidecar, which no rule but the library's sends them to. */
async function probeFromAll(kubectl: Kubectl, { server }: Pair): Promise<string> {
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
  const sum = counts.reduce((total, count) => total + count, 0);
  return `${pods.length} pods, ${sum} connections, all in the logs of their sidecars`;
}
