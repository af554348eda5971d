/** Enrols a pod with the rules of its annotations, and prints what is wrong with them. */
import { istioPodRules, MeshAccelerator, PodRulesError } from 'merbridge';

const annotations = {
  'traffic.sidecar.istio.io/includeOutboundIPRanges': '10.0.0.0/8',
  'traffic.sidecar.istio.io/excludeOutboundPorts': '3306, 6379',
  'traffic.sidecar.istio.io/excludeInboundPorts': process.argv[3] ?? '9090',
};

async function main(): Promise<void> {
  await using mesh = await MeshAccelerator.start({ cgroup: process.argv[2] ?? '/sys/fs/cgroup/kubepods.slice' });
  try {
    mesh.localPodIps.set('10.0.0.7', { rules: istioPodRules(annotations) });
  } catch (error) {
    if (!(error instanceof PodRulesError)) throw error;
    for (const { name, position, entry, reason } of error.problems)
      console.error(`${name}, entry ${position}: "${String(entry)}" ${reason}`);
  }
  const pod = mesh.localPodIps.get('10.0.0.7');
  console.log(pod ? JSON.stringify(pod.rules) : 'not enrolled');
}
void main();
