/** The only room that uses the foreign function interface. None of it is public. */
export { addressOf, copyFrom, cString } from './memory';
export { uint32Array, type NativeUint32Array } from './arrays';
export { bindLazily, type Bound, type FunctionRow } from './bind';
export { check, checkErrno, checkPointer, systemError, withErrno, type CallContext } from './call';
export { missingCapabilities } from './capabilities';
export {
  LINK_TYPE_CGROUP,
  linkInfo,
  mapInfo,
  programInfo,
  type LinkInfo,
  type MapInfo,
  type ProgramInfo,
} from './info';
export { libbpf, libbpfSymbol, libbpfVersion } from './library';
export { libc } from './libc';
export { mapMemory, pageSize, unmapMemory } from './mapping';
export { collectLog, silence, tellingLine } from './log';
export { withSignalsBlocked } from './signals';
export { MapCalls } from './map-calls';
export { whyRefused } from './refusal';
export { readWord, writeWord } from './prepared';
export { opts, optsSize, type OptsName } from './structs';
export { FdWatch } from './fd-watch';
