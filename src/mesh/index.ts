export {
  istioPodRules,
  meshProfiles,
  type Acceleration,
  type MeshProfile,
  type MeshProfileName,
  type PodAcceleration,
  type PodCgroup,
  type PodOptions,
  type PodRules,
} from '../policy';
export type { MeshCounters } from './maps/counters';
export { detachAll, type DetachAllOptions, type DetachedItem } from './pins/detach-all';
export { diagnose, type DiagnoseOptions, type Diagnosis, type Unknown } from './diagnose/diagnose';
export type { DiagnosedAttachment, DiagnosedCgroup } from './diagnose/diagnose-cgroup';
export type { DiagnosedFeature } from './diagnose/diagnose-features';
export type { DiagnosedHazard } from './diagnose/diagnose-hazards';
export type { DiagnosedPins } from './diagnose/diagnose-pins';
export type { FionreadCounts } from './datapath/fionread';
export type { MeshAdoption } from './datapath/holder';
export type { EventOptions, EventRates } from './events/event-options';
export type {
  ConnectionEvent,
  DroppedEvent,
  DropReason,
  Hop,
  MapPressureEvent,
  ReportedEvent,
} from './events/event-records';
export type { ReportedEvents } from './events/mesh-events';
export { kernelAdvisories } from './kernel-advisories';
export type { MeshWarning } from './kernel-warnings';
export type { LocalPodIps, Pod } from './maps/local-pod-ips';
export type { MapFill } from './maps/map-fill';
export { MeshAccelerator, type MeshEvents } from './mesh-accelerator';
export type { MeshCheckOptions, MeshProblem } from './mesh-check';
export type { BacklogAccount } from './datapath/witness';
export type { MeshAcceleratorOptions } from './mesh-options';
export { objectPath, type ObjectName } from './objects';
export type { PairOriginalDst } from './maps/pair-original-dst';
export { PinnedMesh, type PinnedPods } from './pins/pinned-mesh';
export type { ProcessIp, SidecarProcess } from './maps/process-ip';
export type { Endpoint, PendingConnection, Quadruple } from './maps/quadruple';
export type { SockPairMap } from './maps/sock-pair-map';
