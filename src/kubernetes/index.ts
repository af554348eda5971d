/**
 * Sources that know which pods to enrol, and a controller that keeps `localPodIps` in sync with them.
 *
 * @packageDocumentation
 */
export { inClusterServer, type ApiServerAddress, type KubeConfigLike } from './api-access';
export type { KubernetesErrorCode } from '../errors';
export {
  KubernetesError,
  PodFileError,
  PodRefusedError,
  PodsLeftOutError,
  type KubernetesErrorOptions,
} from './errors';
export { istioSidecar } from './istio-sidecar';
export type { KubernetesContainer, KubernetesPod } from './kubernetes-pod';
export { KubernetesPods, type KubernetesPodsOptions } from './kubernetes-pods';
export type { RetryTimes } from './list-watch';
export {
  PodController,
  type AppliedChange,
  type PodControllerEvents,
  type PodControllerOptions,
  type PodTarget,
} from './pod-controller';
export type { PodSource, PodSourceEvents, SourcePod } from './pod-source';
export { PodSourceBase } from './pod-source-base';
export type { PodTable } from './pod-table';
export { ACCELERATION_ANNOTATION } from './read-pod';
export { StaticPods } from './static-pods';
export type { RulesOfAnnotations } from './wanted-pods';
export { WatchedFile } from './watched-file';
