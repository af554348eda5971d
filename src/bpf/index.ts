/** Objects, programs, maps, links and cgroups of BPF, typed. */
export { BpfAttachment } from './attachment';
export { Cgroup, type CgroupAttachOptions, type CgroupProgram, type CgroupProgramsOptions } from './cgroup';
export { DirectoryLock } from './directory-lock';
export { Handle, LEAK_WARNING } from './handle';
/** @internal */
export { requireFds } from './fd';
/** @internal */
export { requireBpf, requireBtf, requireTypes } from './kernel-features';
/** @internal */
export { attachesByLink, libbpfVersion, linkIds, missingCapabilities } from './host';
export { kernelAtLeast, kernelVersion, type KernelVersion } from './kernel-version';
export { BpfLink } from './link';
export { BpfArrayMap, IndexedMap, type ArrayMapCodecs, type CreateArrayMapOptions } from './maps/array-map';
export { BpfArrayOfMaps } from './maps/array-of-maps';
export { BpfHashMap, DeletableMap } from './maps/hash-map';
export { KeyedMap, type CreateMapOptions, type IterateOptions, type MapCodecs, type SetMode, type SetOptions } from './maps/keyed-map';
export { BpfLpmTrieMap } from './maps/lpm-trie-map';
export { BpfLruHashMap } from './maps/lru-hash-map';
export { copyEntries } from './maps/copy';
export { EntryCounter } from './maps/entry-counter';
export { BpfMap, BpfMapHandle } from './maps/map';
export { possibleCpus } from './maps/per-cpu';
export { BpfPerCpuArrayMap } from './maps/per-cpu-array-map';
export { RingBuffer, type CreateRingBufferOptions, type RingBufferCodecs } from './maps/ring-buffer';
export {
  BpfSockHashMap,
  type AttachVerdictOptions,
  type CreateSockHashMapOptions,
  type SockHashMapCodecs,
} from './maps/sock-hash-map';
export { BpfObject } from './object';
export { BpfVariable, type VariableValue } from './object-variable';
export { OpenBpfMap } from './open-map';
export { OpenBpfObject, type OpenObjectOptions } from './open-object';
export { OpenBpfProgram } from './open-program';
export { BpfProgram, type RunStatistics } from './program';
export { RunStatisticsSwitch } from './run-statistics-switch';
export { TcpPair, tcpPair } from './tcp-pair';
export {
  AttachType,
  MapType,
  ProgramType,
  type AttachTypeName,
  type MapTypeName,
  type ProgramTypeName,
} from './types';
