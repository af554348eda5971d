/**
 * Sources that know which pods to enrol, and a controller that keeps `localPodIps` in sync with them.
 *
 * @packageDocumentation
 */
export { inClusterServer, type ApiServerAddress, type KubeConfigLike } from './api/api-access';
export type { KubernetesErrorCode } from '../errors';
export {
  KubernetesError,
  PodFileError,
  PodRefusedError,
  PodsLeftOutError,
  type KubernetesErrorOptions,
} from './errors';
export { istioSidecar } from './sources/istio-sidecar';
export type { KubernetesContainer, KubernetesPod } from './sources/kubernetes-pod';
export { KubernetesPods, type KubernetesPodsOptions } from './sources/kubernetes-pods';
export type { RetryTimes } from './api/list-watch';
export {
  PodController,
  type AppliedChange,
  type PodControllerEvents,
  type PodControllerOptions,
  type PodTarget,
} from './controller/pod-controller';
export type { PodSource, PodSourceEvents, SourcePod } from './sources/pod-source';
export { PodSourceBase } from './sources/pod-source-base';
export type { PodTable } from './controller/pod-table';
export { ACCELERATION_ANNOTATION } from './sources/read-pod';
export { StaticPods } from './sources/static-pods';
export type { RulesOfAnnotations } from './controller/wanted-pods';
export { WatchedFile } from './sources/watched-file';
