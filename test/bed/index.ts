/** Real pods on one machine with unmodified real sidecars: shared by tests, examples and benchmarks. */
export { Bed, type BedOptions } from './bed';
export { type BlockingCase, Writers, blocking, startBlockingServer } from './blocking';
export { cgroup2Mount, cgroupCpuTime } from './cgroup';
export type { Connection } from './connection-log';
export { type Dialled, type Who, dial, startListener } from './dial';
export { Dialler } from './dialler';
export { envoyBinary, hasEnvoy } from './envoy';
export {
  type Claimed,
  type Foothold,
  type Forged,
  type Forgery,
  HostileProcess,
  type Loot,
  type Privilege,
  type Target,
  flows,
  forge,
  predict,
  steal,
} from './hostile';
export { type Answer, type Ends, RemoteSocket, connectEnds, isOpenAfter } from './hazards';
export { type IstioRules, applyIstioRules, istioRules, removeIstioRules, replaceIstioRules } from './istio-rules';
export { type LoadOptions, type LoadResult, load } from './load';
export { type EnterOptions, MODES, type Mode, SCOPES, WAYS, type Way, enterMesh } from './modes';
export { type NaiveSockmap, enterNaiveMesh, enterNaiveSockmap } from './naive';
export { type Sampling, machineMemory, memoryCost, sample, socketMemory, tcpMemory } from './memory';
export type { Finished } from './children';
export type { Pod, SpawnOptions } from './pod';
export { processRss, startTime } from './processes';
export { type RequestOptions, type RequestResult, firstRequest, request } from './request';
export { type Comparison, type Spread, interleave, median, ratio, spread } from './rounds';
export {
  type SecretClient,
  type SecretRequests,
  secretBurst,
  startSecretClient,
  startSecretServer,
} from './secret-requests';
export { Service, type ServiceOptions, startService } from './service';
export {
  INBOUND_PORT,
  OUTBOUND_PORT,
  SIDECAR_KINDS,
  SIDECAR_UID,
  Sidecar,
  type SidecarKind,
  type SidecarOptions,
  originalDestinations,
  startSidecar,
} from './sidecar';
export { SLOWNESS } from './slowness';
export {
  type Stall,
  type StallCost,
  type StallEnd,
  type StallOptions,
  type StalledStreams,
  stall,
  startStall,
} from './stall';
export {
  STREAM_PORT,
  type Received,
  type StreamClient,
  type StreamReport,
  type StreamServerOptions,
  startStreamServer,
  stream,
} from './stream';
export { APPLICATION_UID, WEB_PORT, type WebServerOptions, startWebServer } from './web-server';
export { type Crossed, type Crossing, type Echoes, cross, echoes, startShortReader } from './crossing';
export { OTHER, PASSTHROUGH, SIDECAR_PORTS, drawRounds, isLocal, type RuleCase, type RuleRound } from './rules/cases';
export { DECIDING_RULES, type DecidingRule } from './rules/hits';
export { RuleNode, type Outcome, type RuledBy } from './rules/node';
export { CASE_NAMES, type CaseName, DISTURBING, type Measure, notHere, runCases } from './streams/cases';
export { FINDERS, type Finder, findDamage } from './streams/find-damage';
export { Ground, type GroundOptions, type Path } from './streams/ground';
export { type BadStream, DAMAGES, type Damage, Tally } from './streams/tally';
export { type Outcomes, tally, tallyOf } from './tally';
export { trackOnNode, trackedOnNode } from './tracking';
export { Traffic, type ReadersOptions, type TrafficOptions } from './streams/traffic';
export { MESH, SOCKMAP, STACK, type World, Worlds, all, hello, say } from './worlds';
