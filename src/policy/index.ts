/**
 * Options and rules of a mesh and its pods. Nothing here uses the kernel or depends on the ABI of the programs.
 *
 * The declarations of what is marked internal are not emitted, so neither may these lines be.
 */
export type { Acceleration, PodAcceleration } from './acceleration';
/** @internal */
export { assertAcceleration, DEFAULT_ACCELERATION, isPodAcceleration, POD_ACCELERATIONS } from './acceleration';
export { istioPodRules } from './istio-pod-rules';
/** @internal */
export { canonicalAddress, podAddress, podAddressIfAny } from './pod-address';
export type { PodCgroup, PodOptions } from './pod-options';
/** @internal */
export { assertCgroup, resolvePodOptions } from './pod-options';
export type { PodRules } from './pod-rules';
/** @internal */
export { assertShare, type PodShare } from './pod-share';
export { meshProfiles, type MeshProfile, type MeshProfileName } from './profile';
/** @internal */
export { MAX_EXCLUDED_INBOUND_PORTS, resolveProfile } from './profile';
/** @internal */
export { ruleSetOf } from './read-rules';
/** @internal */
export { PORT_LISTS, RANGE_LISTS, rulesOf, unique, type Range, type RuleSet } from './rule-set';
export { SteadyEmitter } from './steady-emitter';
