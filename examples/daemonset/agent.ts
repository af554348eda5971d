/**
 * The agent of a node: follows this node's pods, keeps them enrolled, and leaves the mesh attached when it ends.
 *
 * Its settings come from the environment, see settings.ts. deploy/merbridge.yaml deploys it, and README.md says how to
 * operate it.
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
  // Loads libbpf and needs no privilege. So anything that the image lacks is reported before the agent waits for the
  // API server, and attaching takes less time.
  OpenBpfObject.openFile(objectPath('merbridge')).close();
  const controller = new PodController({
    source: new KubernetesPods({
      nodeName,
      server: { ...inClusterServer(), caFile: `${serviceAccount}/ca.crt`, tokenFile: `${serviceAccount}/token` },
    }),
    // Called when all pods of the node are known. Before that nothing is attached, and what a killed agent left keeps
    // working.
    attach: async pods => {
      log(`synced: ${pods?.length ?? 'not all'} pods of ${oneLine(nodeName)}`);
      const began = performance.now();
      // A default scope must not revert what an operator switched off.
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
  // Ends only this process: the pinned programs continue to redirect and accelerate connections.
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
    if (!ending) throw error; // otherwise it received a signal before it had started
    return;
  }
  if (ending) return health.mesh.close();
  health.mesh.on('warning', warning => log(`warning: ${oneLine(warning.message)}`));
}

// The default handler would print warnings unescaped, with line breaks and with text of others.
process.removeAllListeners('warning').on('warning', warning => log(`warning: ${explain(warning)}`));

Promise.resolve()
  .then(() => main(readSettings(process.env)))
  .catch((error: unknown) => {
    console.error(explain(error));
    process.exit(1); // the server and the source would keep the process alive
  });
