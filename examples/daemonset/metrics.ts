/** What Prometheus reads: the counters of the programs, and how the agent is doing. */
import type { MeshAccelerator } from 'merbridge';
import type { PodController } from 'merbridge/kubernetes';

interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly value: number | bigint;
}

/** All of it in the text format of version 0.0.4, read at the moment that it is asked for. */
export function metricsText(controller: PodController<MeshAccelerator>, mesh: MeshAccelerator | undefined): string {
  const families: Family[] = [
    { name: 'merbridge_agent_attached', type: 'gauge', help: 'Whether this agent holds the mesh of its node.', value: mesh === undefined ? 0 : 1 },
    { name: 'merbridge_agent_pods', type: 'gauge', help: 'Addresses of pods that are enrolled.', value: controller.pods },
    { name: 'merbridge_agent_reconcile_lag_seconds', type: 'gauge', help: 'Age of the oldest change that is not applied yet.', value: controller.lag },
    { name: 'merbridge_agent_errors_total', type: 'counter', help: 'Errors that the controller reported.', value: controller.errors },
  ];
  for (const [key, value] of Object.entries(mesh?.closed === false ? mesh.counters() : {}) as [string, bigint][]) {
    const name = `merbridge_mesh_${key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}_total`;
    families.push({ name, type: 'counter', help: `${key} of MeshCounters, counted since the programs were loaded.`, value });
  }
  return families.map(({ name, type, help, value }) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`).join('');
}
