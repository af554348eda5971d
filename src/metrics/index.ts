/**
 * Metrics of a mesh for Prometheus, by a registry of prom-client.
 *
 * @packageDocumentation
 */
export type { MeasuredController, MeasuredMesh } from './measured';
export { registerMeshMetrics, type MeshMetrics, type MeshMetricsOptions } from './mesh-metrics';
export type { MetricRegistry } from './registry';
