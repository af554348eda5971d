/**
 * The agent of a node: follows this node's pods, keeps them enrolled, and leaves the mesh working when it ends.
 *
 * What it needs comes from the environment, see settings.ts; deploy/merbridge.yaml is how it is deployed, README.md how
 * it is operated.
 */
import { MeshAccelerator, objectPath } from 'merbridge';
import { OpenBpfObject } from 'merbridge/bpf';
import { KubernetesPods, PodController, inClusterServer } from 'merbridge/kubernetes';
import { registerMeshMetrics } from 'merbridge/metrics';
import { Registry } from 'prom-client';
import { explain } from './advice';
import { Health } from './health';
import { findPodCgroup } from './node-cgroup';
import { oneLine } from './one-line';
import { readSettings, type Settings } from './settings';
import { serve } from './web';

const log = (text: string): void => console.log(`${new Date().toISOString()} ${text}`);

async function main(settings: Settings): Promise<void> {
  const { nodeName, pinDirectory, profile, acceleration, ignoreAdvisories, serviceAccount } = settings;
  const cgroup = settings.cgroup ?? findPodCgroup();
  // Needs no privilege, and loads libbpf: what an image lacks is told before an API server is waited for, and attaching
  // has less left to do.
  OpenBpfObject.openFile(objectPath('merbridge')).close();
  const controller = new PodController({
    source: new KubernetesPods({
      nodeName,
      server: { ...inClusterServer(), caFile: `${serviceAccount}/ca.crt`, tokenFile: `${serviceAccount}/token` },
    }),
    // Called when all pods of the node are known: before that nothing is attached, and what a killed agent left goes on
    // working.
    attach: async pods => {
      log(`synced: ${pods?.length ?? 'not all'} pods of ${oneLine(nodeName)}`);
      const began = performance.now();
      // A scope that nobody asked for must not undo what an operator switched off.
      const mesh = await MeshAccelerator.start({
        cgroup,
        pinDirectory,
        profile,
        pods,
        ignoreAdvisories,
        ...(acceleration && { acceleration }),
      });
      log(
        `attached to ${oneLine(cgroup)} within ${Math.round(performance.now() - began)} ms, acceleration '${mesh.acceleration}', pins at ${oneLine(pinDirectory)}`,
      );
      return mesh;
    },
  });
  controller.on('error', error => log(`error: ${explain(error)}`));
  controller.on('disconnected', (reason, retryInMs) =>
    log(`the pods stay as they are: ${explain(reason)}; again in ${retryInMs} ms`),
  );
  controller.on('applied', ({ added, changed, deleted, resync }) =>
    log(
      `pods: ${added.length} added, ${changed.length} changed, ${deleted.length} taken out${resync ? ' by the resync' : ''}`,
    ),
  );

  const health = new Health(controller);
  const registry = new Registry();
  registerMeshMetrics({ registry, controller, mesh: () => health.mesh });
  const { server, port } = await serve(settings.port, { ...health.pages, metrics: () => registry.metrics() });
  log(`listening on port ${port}`);
  let ending = false;
  // Ends this process and nothing else: connections are redirected and accelerated as before, by what is pinned.
  const end = async (signal: string): Promise<void> => {
    if (ending) return;
    ending = true;
    log(`${signal}: the agent ends, the mesh of this node stays as it is`);
    server.close();
    await controller.close();
    await health.mesh?.close();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal));

  try {
    health.mesh = await controller.start();
  } catch (error) {
    if (!ending) throw error; // else it was told to end before it had begun
    return;
  }
  if (ending) return health.mesh.close();
  health.mesh.on('warning', warning => log(`warning: ${oneLine(warning.message)}`));
}

// What Node.js and the library warn of would be printed as it is: with line breaks, and with what others wrote.
process.removeAllListeners('warning').on('warning', warning => log(`warning: ${explain(warning)}`));

Promise.resolve()
  .then(() => main(readSettings(process.env)))
  .catch((error: unknown) => {
    console.error(explain(error));
    process.exit(1); // the server and the source would keep the process alive
  });
