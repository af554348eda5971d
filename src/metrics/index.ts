/**
 * Prometheus metrics of a mesh, through a registry of prom-client.
 *
 * @packageDocumentation
 */
export type { MeasuredController, MeasuredMesh } from './measured';
export { registerMeshMetrics, type MeshMetrics, type MeshMetricsOptions } from './mesh-metrics';
export type { MetricRegistry } from './registry';
