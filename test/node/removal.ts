/** The mesh is removed as the example's README says, and nothing is left of it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { cgroup2Mount, cgroupProcesses } from '../bed/cgroup';
import { DAEMONSET } from '../kube/manifests';
import { until } from '../kube/until';
import { agentProcess, untilEnrolled } from './agent';
import type { Kubectl } from './kubectl';
import { NODE_NAME } from './kubernetes';
import { untilGone } from './leftovers';
import { readmeCommands } from './readme';
import type { Report } from './report';
import type { Watched } from './watched';

/**
 * From all nodes, under the probes, which go on without the mesh. `earlier`: connections that the sidecars of the ruled
 * pair had logged before it came.
 */
export async function removal(kubectl: Kubectl, { report, pairs }: Watched, earlier: number): Promise<void> {
  const [plain, ruled] = pairs;
  const began = plain!.probe.now.passed;
  const count = await untilGone(await kubectl.script(readmeCommands('Remove'), DAEMONSET));
  const ended = plain!.probe.now.passed;
  await setTimeout(1000);
  const [direct, byRules] = [await plain!.end(), await ruled!.end()];
  report.done(
    `removed by the commands of the README: ${count} links, programs and maps, none is left in the kernel, nothing is ` +
      `pinned; ${direct.probes - began} more probes of each pair, 0 failed`,
  );

  const logged = await plain!.untilLogged(began);
  const most = Math.max(logged.outbound, logged.inbound);
  // The lasting connection is one more, and some may have begun before the last program was detached.
  if (most > ended + 25) throw new Error(`${most} connections through a sidecar, but the mesh was there for ${ended}`);
  const all = await ruled!.untilLogged(earlier + byRules.probes);
  for (const [what, { probes, slowest, stream }, log] of [
    ['without rules', direct, logged],
    ["with Istio's rules", byRules, { outbound: all.outbound - earlier, inbound: all.inbound - earlier }],
  ] as const)
    report.done(
      `the pair ${what}: ${probes} probes, 0 failed, the slowest in ${slowest} ms; ${log.outbound} connections in the ` +
        `log of the client's sidecar, ${log.inbound} in the server's; ${stream.received} bytes of the lasting one, all right`,
    );
}

/** From one node whose agent was deleted and left its pins. Then the pods are deleted, and nothing of them is left. */
export async function removalByJob(kubectl: Kubectl, { done }: Report): Promise<void> {
  await kubectl.script(readmeCommands('Install'), DAEMONSET);
  await untilEnrolled(kubectl, 6);
  await kubectl.run('delete', '-f', join(DAEMONSET, 'deploy'));
  await until('no agent', () => agentProcess() === undefined);
  const job = `job/merbridge-uninstall-${NODE_NAME}`;
  const printed = await kubectl.script(
    `sed s/NODE/${NODE_NAME}/ remove/uninstall-job.yaml | kubectl apply -f - >/dev/null
     kubectl -n kube-system wait --for=condition=complete --timeout=60s ${job} >/dev/null
     kubectl -n kube-system logs ${job}`,
    DAEMONSET,
  );
  const count = await untilGone(printed);
  done(
    `deployed again, agent deleted, removed by remove/uninstall-job.yaml: ${count} links, programs and maps, ` +
      'none is left in the kernel',
  );

  await kubectl.run('-n', 'kube-system', 'delete', job);
  await kubectl.run('delete', 'deployments,configmaps', '--all', '--wait');
  const pods = `${cgroup2Mount()}/kubepods`;
  await until('no process in the cgroup of pods', () => cgroupProcesses(pods).length === 0);
  await until('no network namespace of a pod', () => readdirSync('/run/netns').length === 0);
  done('pods deleted: no process, no network namespace of theirs is left');
}
