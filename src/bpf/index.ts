/**
 * Typed access to BPF below the accelerator: objects, programs, maps, links, cgroups, and codecs for keys and values.
 * The error classes are in the main entry point.
 *
 * @packageDocumentation
 */
export {
  aligned,
  array,
  bytes,
  fixedString,
  fromBytes,
  ipAddress,
  oneOf,
  port,
  struct,
  toBytes,
  u16,
  u16be,
  u32,
  u32be,
  u64,
  u8,
  type Codec,
  type CodecValue,
  type StructCodec,
  type StructFields,
  type StructValue,
} from '../codec';
export { Errno, errnoName, errnoNumber, errnoText } from '../errors';
export { BpfAttachment } from './attachment';
export { Cgroup, type CgroupAttachOptions, type CgroupProgram, type CgroupProgramsOptions } from './cgroup';
export { LEAK_WARNING, type Handle } from './handle';
export { kernelAtLeast, kernelVersion, type KernelVersion } from './kernel-version';
export { BpfLink } from './link';
export { BpfArrayMap, type ArrayMapCodecs, type CreateArrayMapOptions, type IndexedMap } from './maps/array-map';
export { BpfArrayOfMaps } from './maps/array-of-maps';
export { BpfHashMap, type DeletableMap } from './maps/hash-map';
export type { CreateMapOptions, IterateOptions, KeyedMap, MapCodecs, SetMode, SetOptions } from './maps/keyed-map';
export { BpfLpmTrieMap } from './maps/lpm-trie-map';
export { BpfLruHashMap } from './maps/lru-hash-map';
export { BpfMapHandle, type BpfMap } from './maps/map';
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
export { AttachType, MapType, ProgramType, type AttachTypeName, type MapTypeName, type ProgramTypeName } from './types';
