/**
 * Real Istio under every way of redirection: `npm run test:istio`. Prints what differs from iptables, and a table; ends
 * with 1 for a difference that is not wanted.
 */
import { rmSync } from 'node:fs';
import { WAYS, type Way } from '../bed';
import { ownedDirectory } from '../bed/owned';
import { kubeAssets, startRealServer } from '../kube/real-server';
import { Cluster } from './cluster';
import { Istiod } from './istiod';
import { NODE_ADDRESS, enterPlace } from './place';
import type { Outcomes } from './batch';
import { runWay } from './run';
import { applyWorkload } from './workload';
import { report } from './report';

async function main(): Promise<boolean> {
  const started = Date.now();
  const seconds = (): string => `${((Date.now() - started) / 1000).toFixed(0)} s`;
  enterPlace();
  const assets = kubeAssets();
  if (assets === undefined) throw new Error('KUBEBUILDER_ASSETS is not set: run this by npm run test:istio');
  const directory = ownedDirectory('istio');
  const server = await startRealServer(assets);
  let istiod: Istiod | undefined;
  try {
    const cluster = new Cluster(server);
    istiod = await Istiod.install(cluster, directory, NODE_ADDRESS);
    await applyWorkload(cluster);
    console.log(`istiod is ready after ${seconds()}`);
    const ways = process.argv.length > 2 ? (process.argv.slice(2) as Way[]) : WAYS;
    const seen = new Map<Way, Outcomes>();
    for (const way of ways) {
      seen.set(way, await runWay(way, cluster, istiod));
      console.log(`${way}: done after ${seconds()}`);
    }
    return report(seen);
  } catch (error) {
    console.error(istiod?.tail());
    throw error;
  } finally {
    await istiod?.stop();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

main().then(
  good => {
    process.exitCode = good ? 0 : 1;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
