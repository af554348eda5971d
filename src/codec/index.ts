/**
 * Codecs for the bytes of map keys and values, and readers for BPF object files. Pure functions: nothing here calls the
 * kernel.
 */
export { aligned, fromBytes, toBytes, type Codec, type CodecValue } from './codec';
export { port, u16, u16be, u32, u32be, u64, u8 } from './integers';
export { array, bytes, fixedString } from './bytes';
export { struct, type StructCodec, type StructFields, type StructValue } from './struct';
export { oneOf } from './one-of';
export { ipAddress } from './ip-address';
export { Btf, objectBtf, structLayout, type BtfMember, type StructLayout } from './btf';
export { elfSections, elfVariables, type ElfSection, type ElfVariable } from './elf';
