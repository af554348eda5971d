/** The agent is replaced, deleted and killed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DAEMONSET } from '../kube/manifests';
import { until } from '../kube/until';
import { AGENT_LABEL, agentProcess, agentReady, agentRolledOut } from './agent';
import { AGENT_IMAGE, NEXT_AGENT_IMAGE } from './images';
import type { Kubectl } from './kubectl';
import { runningPods, scale } from './pods';
import { readmeCommands } from './readme';
import type { Watched } from './watched';

export async function agentSteps(kubectl: Kubectl, watched: Watched): Promise<void> {
  const step = watched.step.bind(watched);
  const manifest = readFileSync(join(DAEMONSET, 'deploy/merbridge.yaml'), 'utf8');
  for (const [name, image] of [
    ['agent upgraded', NEXT_AGENT_IMAGE],
    ['agent downgraded', AGENT_IMAGE],
  ] as const)
    await step(name, 5, async () => {
      await kubectl.apply(manifest.replace(`image: ${AGENT_IMAGE}`, `image: ${image}`));
      await agentRolledOut(kubectl);
    });
  await step("agent's pod deleted", 5, async () => {
    const [agent] = await runningPods(kubectl, AGENT_LABEL, 'kube-system');
    await kubectl.run('-n', 'kube-system', 'delete', 'pod', agent!.name);
    await agentRolledOut(kubectl);
  });
  await step('kubectl delete -f deploy/, web scaled to 2, kubectl apply -f deploy/', 6, async () => {
    await kubectl.run('delete', '-f', join(DAEMONSET, 'deploy'));
    await until('no agent', () => agentProcess() === undefined);
    await scale(kubectl, 2);
    await kubectl.script(readmeCommands('Install'), DAEMONSET);
  });
  for (const time of ['once', 'twice', 'three times'])
    await step(`agent killed ${time} (SIGKILL)`, 6, () => killAgent(kubectl));
  const events = await kubectl.run('get', 'events', '-A', '--field-selector=reason=FailedPreStopHook');
  if (events !== '') throw new Error(`a preStop hook missed the pins:\n${events}`);
}

/** The kubelet starts another, after a delay that doubles. */
async function killAgent(kubectl: Kubectl): Promise<void> {
  const pid = agentProcess();
  if (pid === undefined) throw new Error('no agent runs');
  process.kill(pid, 'SIGKILL');
  await until('another agent', () => ![undefined, pid].includes(agentProcess()));
  await until('a ready one', () => agentReady(kubectl));
}
