/** The example of the README, for a cgroup from the command line. */
import { MeshAccelerator } from 'merbridge';

async function main(cgroup = '/sys/fs/cgroup/kubepods.slice'): Promise<void> {
  const mesh = await MeshAccelerator.start({ profile: 'istio', cgroup, acceleration: 'proxies' });
  const close = (): void => void mesh.close();
  process.once('SIGINT', close).once('SIGTERM', close);
  mesh.on('warning', warning => console.warn(warning.message));
  mesh.localPodIps.set('10.0.0.7').set('10.0.0.8', { acceleration: 'full' });
  console.log(`attached to ${mesh.cgroup} with ${[...mesh.localPodIps].length} pods`);
}

main(process.argv[2]).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
