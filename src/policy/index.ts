/** Options and rules of a mesh and its pods. Nothing here uses the kernel or depends on the ABI of the programs. */
export {
  assertAcceleration,
  DEFAULT_ACCELERATION,
  isPodAcceleration,
  POD_ACCELERATIONS,
  type Acceleration,
  type PodAcceleration,
} from './acceleration';
export { istioPodRules } from './istio-pod-rules';
export { assertInteger, assertNumber, isRecord, refuseUnknown, resolvePinDirectory } from './option-checks';
export { canonicalAddress, podAddress, podAddressIfAny } from './pod-address';
export { assertCgroup, resolvePodOptions, type PodCgroup, type PodOptions } from './pod-options';
export type { PodRules } from './pod-rules';
export { assertShare, type PodShare } from './pod-share';
export {
  MAX_EXCLUDED_INBOUND_PORTS,
  meshProfiles,
  resolveProfile,
  type MeshProfile,
  type MeshProfileName,
} from './profile';
export { ruleSetOf } from './read-rules';
export { PORT_LISTS, RANGE_LISTS, rulesOf, unique, type Range, type RuleSet } from './rule-set';
export { SteadyEmitter } from './steady-emitter';
